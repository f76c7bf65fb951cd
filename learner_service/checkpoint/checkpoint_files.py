"""The two files of a checkpoint: state.safetensors holds the tensors, checkpoint.json everything else.

checkpoint.json is `{"checkpoint": {...}, "sha256": "..."}`, the checksum being that of `checkpoint` as `json.dumps`
writes it. It holds the format, the tree of the state (see `state_tree`), what its writer says about it, and the size
and the checksum of state.safetensors: one file vouches for both.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from learner_service.checkpoint.durable_files import write_file
from learner_service.checkpoint.state_tree import restore_state

FORMAT: Final = 2
"""Of the files; a reader refuses others."""

TENSORS: Final = "state.safetensors"
DOCUMENT: Final = "checkpoint.json"


def write_files(path: Path, tree: Any, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes both files into the directory `path`, durably.

    Raises:
        OSError: they could not be written.
    """
    state = path / TENSORS
    try:
        save_file(dict(tensors), state)
    except SafetensorError as error:
        raise _os_error(error) from error
    # Reading back costs no disk: the pages are in memory still.
    with state.open("rb") as file:
        os.fsync(file.fileno())
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    checkpoint = {
        "format": FORMAT,
        # As it will be read: keys are strings then, and tuples lists.
        "about": json.loads(json.dumps(dict(about))),
        "state_bytes": state.stat().st_size,
        "state_sha256": checksum,
        "tree": tree,
    }
    document = {"checkpoint": checkpoint, "sha256": _document_checksum(checkpoint)}
    write_file(path / DOCUMENT, json.dumps(document, allow_nan=False).encode())


def read_files(path: Path) -> tuple[Any, dict[str, Any]]:
    """State and what was said about it, of the directory `path`. The tensors are on the CPU, in memory of their own.

    Raises:
        ValueError: the files are not what was written; its text says in what.
        OSError: they cannot be read.
    """
    checkpoint = _read_document(path / DOCUMENT)
    if checkpoint["format"] != FORMAT:
        raise ValueError(f"its format is {checkpoint['format']}; this version reads {FORMAT}")
    state = path / TENSORS
    size = state.stat().st_size
    if size != checkpoint["state_bytes"]:
        raise ValueError(f"{TENSORS} has {size} bytes; {checkpoint['state_bytes']} were written")
    with state.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum != checkpoint["state_sha256"]:
        raise ValueError(f"{TENSORS} has the checksum {checksum}; {checkpoint['state_sha256']} was written")
    try:
        with safe_open(state, framework="pt", device="cpu") as tensors:
            # A copy: what the file's mapping gives would keep a deleted file's blocks.
            restored = restore_state(checkpoint["tree"], lambda name: tensors.get_tensor(name).clone())
    except SafetensorError as error:
        raise ValueError(f"{TENSORS} does not fit {DOCUMENT}: {error}") from error
    return restored, checkpoint["about"]


def _read_document(path: Path) -> dict[str, Any]:
    # Bytes that are no UTF-8 raise a ValueError as well.
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{DOCUMENT} is not JSON: {error}") from error
    match document:
        case {"checkpoint": dict(checkpoint), "sha256": str(checksum)}:
            found = _document_checksum(checkpoint)
            if found != checksum:
                raise ValueError(f"{DOCUMENT} has the checksum {found}; {checksum} was written")
            return checkpoint
    raise ValueError(f'{DOCUMENT} is not {{"checkpoint": {{...}}, "sha256": "..."}}')


def _document_checksum(checkpoint: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(checkpoint, allow_nan=False).encode()).hexdigest()


def _os_error(error: SafetensorError) -> OSError:
    """What the operating system said, which the library passes on as text."""
    number = re.search(r"os error (\d+)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))
