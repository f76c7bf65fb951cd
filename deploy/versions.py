"""Versions of the libraries that results come from."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

LIBRARIES: Final = (
    "distributed-l2r",
    "torch",
    "numpy",
    "onnxruntime",
    "gymnasium",
    "numba",
    "scipy",
    "grpcio",
    "protobuf",
)
"""Whose versions results name, beside Python's."""


def library_versions() -> dict[str, str | None]:
    """Versions of Python and the main libraries; None for one that is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions
