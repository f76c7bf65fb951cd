"""Tracks by name."""

from functools import lru_cache
from pathlib import Path

from worker_service.simulators.racetrack.circuits import CIRCUITS, circuit
from worker_service.simulators.racetrack.generator import random_track
from worker_service.simulators.racetrack.l2r_maps import L2R_PREFIX, l2r_track
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.track_csv import read_track

RANDOM_PREFIX = "random:"


def find_track(name: str) -> Track:
    """Build the track that a name stands for.

    Args:
        name: a shipped circuit, `random:SEED` with a whole number that is not negative,
            `l2r:thruxton` or `l2r:anglesey` where the package `l2r` is installed (see
            `l2r_maps`), or the path of a `.csv` file (see `track_csv`).

    Raises:
        ValueError: the name is none of these, or the file is not a valid track.
        OSError: the file cannot be read.
    """
    if name in CIRCUITS:
        return circuit(name)
    if name.endswith(".csv"):
        # Not kept: the file may change.
        return read_track(Path(name))
    if name.startswith(L2R_PREFIX):
        return l2r_track(name.removeprefix(L2R_PREFIX))
    return _generated(name)


def track_names(name: str) -> tuple[str, ...]:
    """The names that a name stands for: `random:FIRST-LAST` for every track in the range, any other for itself.

    Raises:
        ValueError: the range is empty.
    """
    first, dash, last = name.removeprefix(RANDOM_PREFIX).partition("-")
    if not (name.startswith(RANDOM_PREFIX) and dash and _is_seed(first) and _is_seed(last)):
        return (name,)
    if int(first) > int(last):
        raise ValueError(f"track {name!r} is an empty range; write the smaller number first: random:{last}-{first}")
    return tuple(f"{RANDOM_PREFIX}{seed}" for seed in range(int(first), int(last) + 1))


def _is_seed(text: str) -> bool:
    return text.isascii() and text.isdigit()


@lru_cache(maxsize=64)
def _generated(name: str) -> Track:
    seed = name.removeprefix(RANDOM_PREFIX)
    if not name.startswith(RANDOM_PREFIX) or not _is_seed(seed):
        shipped = ", ".join(sorted(CIRCUITS))
        raise ValueError(
            f"track {name!r} is unknown; it must be one of {shipped}, random:SEED with a whole "
            "number, l2r:thruxton, l2r:anglesey, or a path that ends in .csv"
        )
    return random_track(int(seed))
