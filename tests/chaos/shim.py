"""The shim: a library preloaded into a service that slows its disk and sets its wall clock."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("shim.c")
COMPILE_SECONDS: Final = 60.0


def compile_shim(directory: Path) -> Path | None:
    """The library, compiled into `directory`; None where there is no C compiler.

    Raises:
        subprocess.SubprocessError: the compiler fails.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = directory / "shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"],
        check=True,
        timeout=COMPILE_SECONDS,
    )
    return library


class Shim:
    """What the library does to one service and to its successors; each change acts at once.

    Args:
        library: as compiled.
        control: a file for this service, made here.
        slow_directory: where its disk can be slow.
    """

    def __init__(self, library: Path, control: Path, slow_directory: Path) -> None:
        self._control = control
        self._numbers = [0, 0]
        self._write()
        self.variables: Final = {
            "LD_PRELOAD": str(library),
            "CHAOS_CONTROL": str(control),
            "CHAOS_DISK": str(slow_directory),
        }
        """For the service's environment."""

    @property
    def clock_offset_seconds(self) -> float:
        """How far its wall clock is ahead."""
        return self._numbers[0] / 1e9

    @clock_offset_seconds.setter
    def clock_offset_seconds(self, seconds: float) -> None:
        self._numbers[0] = round(seconds * 1e9)
        self._write()

    @property
    def disk_delay_seconds(self) -> float:
        """What each write and sync takes longer."""
        return self._numbers[1] / 1e6

    @disk_delay_seconds.setter
    def disk_delay_seconds(self, seconds: float) -> None:
        self._numbers[1] = round(seconds * 1e6)
        self._write()

    def _write(self) -> None:
        # In place, never replaced: the services have this very file mapped.
        with self._control.open("r+b" if self._control.exists() else "wb") as file:
            file.write(struct.pack("<2q", *self._numbers))
