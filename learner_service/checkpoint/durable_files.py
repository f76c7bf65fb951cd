"""Files that are still there after the power failed."""

import os
from pathlib import Path


def make_directory(path: Path) -> None:
    """Makes a directory and its parents, durably."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_directory(place.parent)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file's content durably; its name is durable once its directory is."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
