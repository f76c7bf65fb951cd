"""Whether this machine, which a container takes itself for, is connected to a learner."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The kernel's TCP connections, one a line (proc_net_tcp.txt of its documentation)."""
_ESTABLISHED: Final = "01"


def connected(port: int, tables: Iterable[Path] = TABLES) -> bool:
    """Whether a TCP connection to `port` of any host stands.

    The learner ends connections that do not answer its pings, so that a worker which hangs loses its own.

    Raises:
        OSError: no table can be read.
    """
    for table in tables:
        # One of the two is missing where the kernel has no IPv6.
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                _, _, remote, state, *_ = line.split()
                if state == _ESTABLISHED and int(remote.rpartition(":")[2], 16) == port:
                    return True
    return False
