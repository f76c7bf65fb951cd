"""The one place where functions become machine code."""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function with numba; its Python signature stays what type checkers see.

    No fast-math, so that results are the same to the bit in every process. The machine code is
    kept on disk, so that only the first process of an installation compiles; where no cache
    folder is writable (a read-only container without NUMBA_CACHE_DIR) each process compiles anew.

    A cached kernel is renewed when its own file changes, not when that of a callee or of an
    imported constant does: kernels that call one another therefore live in one file, and what
    they take from other files comes in as arguments or is a constant of nature.
    """
    try:
        return njit(cache=True, fastmath=False, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]
    except RuntimeError:  # numba: "no locator available", that is no writable cache folder
        return njit(fastmath=False, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]
