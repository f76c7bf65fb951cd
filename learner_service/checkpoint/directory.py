"""The checkpoints of a run, in a directory."""

import errno
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from learner_service.checkpoint.checkpoint_files import read_files, write_files
from learner_service.checkpoint.durable_files import make_directory, sync_directory
from learner_service.checkpoint.state_tree import flatten_state

_logger = logging.getLogger(__name__)

_COMPLETE: Final = re.compile(r"\d{12,}")
_LEFTOVER: Final = re.compile(r"\d{12,}\.(new|old)")


class CheckpointError(RuntimeError):
    """There are checkpoints, and none is sound."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """One that was read."""

    number: int
    """Greater is newer."""
    path: Path
    """Its directory."""
    state: Any
    """As it was written; tensors on the CPU."""
    about: Mapping[str, Any]
    """What its writer said about it, as JSON has it."""


class CheckpointDirectory:
    """Checkpoints as directories `<path>/<number>/`, the newest few of them.

    One is written as `<number>.new` and renamed once all of it is on disk, and renamed to `<number>.old` before it is
    deleted: what bears a number alone is whole, whenever the process is killed or the power fails. One thread of one
    process may use it.

    Args:
        path: made with its parents if it is not there.
        keep: checkpoints that stay, at least 1; all but the newest are there for when that is damaged.
    """

    def __init__(self, path: Path, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep} checkpoints; it must be at least 1")
        self._path = path.absolute()
        self._keep = keep
        make_directory(self._path)

    @property
    def path(self) -> Path:
        """Of the directory."""
        return self._path

    def write(self, state: Any, about: Mapping[str, Any]) -> Path:
        """Writes a checkpoint; once this returns it survives a power failure.

        Args:
            state: see `flatten_state`; nobody may change it meanwhile.
            about: a few facts for whoever looks at checkpoint.json, and for the reader; JSON.

        Returns:
            Its directory.

        Raises:
            TypeError: something in the state or in `about` has no place in a checkpoint.
            ValueError: `about` holds a number that is not finite.
            OSError: it could not be written, for want of space for example; the earlier checkpoints are untouched.
        """
        tree, tensors = flatten_state(state)
        needed_bytes = _file_bytes(tensors) + len(json.dumps([tree, dict(about)], allow_nan=False))
        number = max(self._numbers(), default=0) + 1
        path = self._path / f"{number:012}"
        new = path.with_name(path.name + ".new")
        try:
            self._delete_leftovers()
            # Asked beforehand, so that others who write to this disk do not run into its end too.
            if shutil.disk_usage(self._path).free < needed_bytes:
                raise OSError(errno.ENOSPC, "No space left on device")
            new.mkdir()
            write_files(new, tree, tensors, about)
            sync_directory(new)
            new.rename(path)
            sync_directory(self._path)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise OSError(
                error.errno,
                f"checkpoint {path} of {needed_bytes} bytes could not be written: {error.strerror or error}; "
                "make sure that its disk has room and can be written to",
            ) from error
        self._delete_old()
        return path

    def newest(self) -> Checkpoint | None:
        """The newest sound checkpoint; None if there is none at all.

        Those newer than it are damaged: each is named in a warning.

        Raises:
            CheckpointError: all there are are damaged.
        """
        damaged = []
        for number, path in sorted(self._numbers().items(), reverse=True):
            try:
                state, about = read_files(path)
            except (ValueError, LookupError, OSError) as error:
                damaged.append(f"{path.name}: {_reason(error)}")
                _logger.warning("checkpoint %s is damaged and passed over: %s", path, _reason(error))
                continue
            return Checkpoint(number=number, path=path, state=state, about=about)
        if damaged:
            raise CheckpointError(
                f"no checkpoint in {self._path} is sound ({'; '.join(damaged)}): "
                "restore one of them, or move the directory away to begin anew"
            )
        return None

    def _numbers(self) -> dict[int, Path]:
        """The complete ones."""
        return {int(path.name): path for path in self._path.iterdir() if _COMPLETE.fullmatch(path.name)}

    def _delete_leftovers(self) -> None:
        """What a process left behind that was killed as it wrote or deleted."""
        for path in self._path.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                shutil.rmtree(path)

    def _delete_old(self) -> None:
        """The new checkpoint is safe already, hence what fails here is no failure of its writing."""
        numbers = self._numbers()
        for number in sorted(numbers)[: -self._keep]:
            old = numbers[number].with_name(numbers[number].name + ".old")
            try:
                numbers[number].rename(old)
                shutil.rmtree(old)
            except OSError as error:
                _logger.warning("checkpoint %s could not be deleted: %s", numbers[number], error)


def _file_bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.nbytes + len(name) + 100 for name, tensor in tensors.items())


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{Path(error.filename).name if error.filename else 'it'}: {error.strerror or error}"
    if isinstance(error, LookupError):
        return f"there is no {error}"
    return str(error)
