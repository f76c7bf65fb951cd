"""An array that the kernel keeps in a file: it outlives the process, killed at whatever instruction."""

import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrib_l2r.tensor import Array


class MappedFile:
    """A file whose content is one array, made and lengthened with zeros where it is missing or short.

    Its space is taken at once: a full disk cannot be met by writing to the array.

    Args:
        path: of the file.
        shape: of the array, of at least one element.
        dtype: of its elements.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(self._file, 0, size)
            self.array: Array = np.frombuffer(mmap.mmap(self._file, size), dtype).reshape(shape)
        except OSError:
            os.close(self._file)
            raise

    def sync(self) -> None:
        """Waits until the array is on the disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Lets go of the file; the array stays valid while it is in use."""
        os.close(self._file)
