"""`python -m worker_service.simulators.racetrack.solve --track NAME`: computes a track's fastest lap."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import tyro

from worker_service.simulators.racetrack.catalogue import RANDOM_PREFIX, find_track
from worker_service.simulators.racetrack.circuits import CIRCUITS
from worker_service.simulators.racetrack.collocation import Solution, SolveError
from worker_service.simulators.racetrack.optimal_control import flying_lap, standing_lap
from worker_service.simulators.racetrack.optimum import (
    SHIPPED,
    OptimalLine,
    Optimum,
    cached_file,
    find_optimum,
    fingerprint,
    write_optimum,
)
from worker_service.simulators.racetrack.point_mass import point_mass_lap
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

LINE_METRES: Final = 2.0
"""Between two points of a line that is kept, at least."""
SHIPPED_TRACKS: Final = (*sorted(CIRCUITS), "random:1001", "random:1002")


@dataclass(frozen=True, kw_only=True)
class SolveConfig:
    """What to compute."""

    track: tuple[str, ...] = SHIPPED_TRACKS
    """Circuits, random:SEED, or paths of CSV files."""
    spacing_metres: tuple[float, ...] = (4.0, 2.0, 1.0)
    """Lengths of intervals, from coarse to fine; the last is kept."""
    ship: bool = False
    """Write into the package instead of the user's cache folder."""


def solve(
    track: Track,
    vehicle: Vehicle,
    spacing_metres: Sequence[float] = (4.0,),
    report: Callable[[str], None] = lambda _: None,
) -> Optimum:
    """Compute the optimum of a track; seconds to minutes.

    Args:
        track: the track.
        vehicle: the car.
        spacing_metres: lengths of intervals, from coarse to fine.
        report: is told a line for each.

    Raises:
        SolveError: a lap was not found.
    """
    flying: Solution | None = None
    standing: Solution | None = None
    for spacing in spacing_metres:
        begun = time.monotonic()
        flying = flying_lap(track, vehicle, spacing, flying)
        standing = standing_lap(track, vehicle, spacing, standing or flying)
        bound = point_mass_lap(track, vehicle, spacing)
        report(
            f"{track.name:12s} {spacing:4.1f} m  flying {flying.lap_seconds:8.4f} s  "
            f"standing {standing.lap_seconds:8.4f} s  bound {bound.lap_seconds:8.4f} s  "
            f"iterations {flying.iterations:3d} {standing.iterations:3d} {bound.iterations:3d}  "
            f"{time.monotonic() - begun:5.1f} s"
        )
    if flying is None or standing is None:
        raise SolveError("spacing_metres is empty; it must have at least one length")
    return Optimum(flying.lap_seconds, standing.lap_seconds, bound.lap_seconds, spacing, optimal_line(track, flying))


def solve_and_keep(track: Track, vehicle: Vehicle) -> Optimum:
    """Compute the optimum of a track on a coarse grid, good to 0.2 %, and keep it in the user's cache folder.

    Raises:
        SolveError: a lap was not found.
        OSError: the file cannot be written.
    """
    write_optimum(solve(track, vehicle), track, vehicle, cached_file(fingerprint(track, vehicle)))
    kept = find_optimum(track, vehicle)
    assert kept is not None, "it was just written"
    return kept


def optimal_line(track: Track, flying: Solution) -> OptimalLine:
    """The flying lap at every interval's beginning, or at every so many to be 2 m apart."""
    edges = flying.grid.edges_metres
    stride = max(1, round(LINE_METRES / float(edges[1])))
    while (len(edges) - 1) % stride:
        stride -= 1
    arc = edges[:-1:stride]
    offset, turn, forward, sideways, yaw_rate, steer = flying.states[:-1:stride].T
    pedals = flying.controls[:, 1] - flying.controls[:, 2]
    # Controls hold in intervals: at an edge, the mean of the two beside it.
    command = np.clip(0.5 * (pedals + np.roll(pedals, 1)), -1.0, 1.0)[::stride]
    stations = track.stations
    at = np.linspace(0.0, track.length_metres, len(stations))
    x, y, heading = (np.interp(arc, at, stations[name]) for name in ("x", "y", "heading"))
    return OptimalLine(
        arc_metres=arc,
        offset_metres=offset,
        heading_error_radians=turn,
        forward_metres_per_second=forward,
        sideways_metres_per_second=sideways,
        yaw_rate_radians_per_second=yaw_rate,
        steer_radians=steer,
        command=command,
        time_seconds=flying.seconds[:-1:stride],
        x_metres=x - offset * np.sin(heading),
        y_metres=y + offset * np.cos(heading),
    )


def main(arguments: list[str] | None = None) -> int:
    """Computes and keeps the optima that the command line names; returns the exit status."""
    config = tyro.cli(
        SolveConfig, prog="python -m worker_service.simulators.racetrack.solve", description=__doc__, args=arguments
    )
    vehicle = Vehicle()
    try:
        for name in config.track:
            track = find_track(name)
            optimum = solve(track, vehicle, config.spacing_metres, lambda line: print(line, flush=True))
            kept = SHIPPED / f"{name.replace(RANDOM_PREFIX, 'random-')}.csv"
            path = kept if config.ship else cached_file(fingerprint(track, vehicle))
            write_optimum(optimum, track, vehicle, path)
            print(f"{track.name:12s} written to {path}", flush=True)
    except (SolveError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
