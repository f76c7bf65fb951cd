"""Files that readers never see half-written."""

from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file so that a reader finds either the old content or the new, whole."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)
