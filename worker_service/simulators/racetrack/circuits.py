"""The circuits that come with the simulator, all of the project's own design."""

from dataclasses import dataclass
from functools import cache

from worker_service.simulators.racetrack.layout import Arc, Segment, Straight, track_from_layout
from worker_service.simulators.racetrack.track import Track

DEFAULT_CIRCUIT = "larkfield"


@dataclass(frozen=True)
class Circuit:
    """How one circuit is drawn; see `track_from_layout` for the meaning of the fields."""

    character: str
    segments: tuple[Segment, ...]
    width_metres: float
    transition_metres: float


CIRCUITS: dict[str, Circuit] = {
    "larkfield": Circuit(
        character="all-round: two straights, a fast left-right, a chicane, a hairpin",
        segments=(
            Straight(300.0),
            Arc(40.0, -80.0),
            Straight(60.0),
            Arc(110.0, 50.0),
            Arc(70.0, -100.0),
            Straight(250.0),
            Arc(25.0, 50.0),
            Arc(25.0, -60.0),
            Straight(60.0),
            Arc(15.0, -170.0),
            Straight(60.0),
            Arc(35.0, 85.0),
            Straight(180.0),
            Arc(30.0, 70.0),
            Straight(40.0),
            Arc(28.0, -110.0),
            Straight(),
            Arc(80.0, 35.0),
            Straight(60.0),
            Arc(45.0, -70.0),
            Straight(20.0),
            Arc(60.0, -60.0),
            Straight(),
        ),
        width_metres=11.0,
        transition_metres=20.0,
    ),
    "kestrel": Circuit(
        character="a fast near-oval with a kink on its back straight",
        segments=(
            Straight(200.0),
            Arc(130.0, -90.0),
            Straight(),
            Arc(130.0, -90.0),
            Straight(150.0),
            Arc(70.0, 30.0),
            Straight(10.0),
            Arc(70.0, -60.0),
            Straight(10.0),
            Arc(70.0, 30.0),
            Straight(100.0),
            Arc(190.0, -110.0),
            Arc(130.0, -70.0),
            Straight(),
        ),
        width_metres=14.0,
        transition_metres=20.0,
    ),
    "thornwood": Circuit(
        character="short, narrow and twisty, with two hairpins",
        segments=(
            Straight(70.0),
            Arc(18.0, -100.0),
            Straight(35.0),
            Arc(18.0, 120.0),
            Straight(30.0),
            Arc(16.0, -165.0),
            Straight(25.0),
            Arc(30.0, 60.0),
            Straight(60.0),
            Arc(22.0, -95.0),
            Straight(40.0),
            Arc(30.0, -40.0),
            Straight(10.0),
            Arc(30.0, 80.0),
            Straight(10.0),
            Arc(30.0, -40.0),
            Straight(30.0),
            Arc(16.0, 90.0),
            Straight(15.0),
            Arc(16.0, -90.0),
            Straight(40.0),
            Arc(14.0, -175.0),
            Straight(30.0),
            Arc(25.0, 95.0),
            Straight(),
            Arc(25.0, 40.0),
            Arc(25.0, -80.0),
            Arc(25.0, 40.0),
            Straight(20.0),
            Arc(20.0, -100.0),
            Straight(),
        ),
        width_metres=9.0,
        transition_metres=15.0,
    ),
    "northmoor": Circuit(
        character="long and fast: long straights, open bends, one tight corner",
        segments=(
            Straight(400.0),
            Arc(120.0, -60.0),
            Straight(150.0),
            Arc(200.0, 40.0),
            Straight(100.0),
            Arc(80.0, -110.0),
            Straight(250.0),
            Arc(150.0, -45.0),
            Arc(150.0, 45.0),
            Straight(200.0),
            Arc(40.0, -90.0),
            Straight(250.0),
            Arc(60.0, 75.0),
            Straight(300.0),
            Arc(70.0, -130.0),
            Straight(),
            Arc(180.0, -85.0),
            Straight(),
        ),
        width_metres=13.0,
        transition_metres=30.0,
    ),
}


@cache
def circuit(name: str) -> Track:
    """Build a shipped circuit.

    Args:
        name: a key of `CIRCUITS`.

    Raises:
        KeyError: there is no such circuit.
    """
    drawn = CIRCUITS[name]
    return track_from_layout(
        name,
        drawn.segments,
        width_metres=drawn.width_metres,
        transition_metres=drawn.transition_metres,
    )
