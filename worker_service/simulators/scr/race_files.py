"""The files of one race for TORCS: what it is, who drives, and in which car."""

import shutil
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

DEFAULT_TRACK: Final = "g-track-1"
DEFAULT_CAR: Final = "p406"
GRID_METRES: Final = 25.0
"""From the grid to the start line."""
ROBOT: Final = "scr"
"""Ours, that is driven over UDP."""
MANY_LAPS: Final = 10_000
"""A race longer than any episode."""

_RACE = """<?xml version="1.0" encoding="UTF-8"?>
<params name="Race" type="param" mode="mw">
  <section name="Header"><attstr name="name" val="Race"/></section>
  <section name="Tracks">
    <attnum name="maximum number" val="1"/>
    <section name="1"><attstr name="name" val={track}/><attstr name="category" val={category}/></section>
  </section>
  <section name="Races"><section name="1"><attstr name="name" val="Race"/></section></section>
  <section name="Race">
    <attnum name="distance" val="0"/>
    <attnum name="laps" val="{laps}"/>
    <attstr name="type" val="race"/>
    <attstr name="starting order" val="drivers list"/>
    <attstr name="restart" val="no"/>
    <section name="Starting Grid">
      <attnum name="rows" val="1"/>
      <attnum name="distance to start" val="{to_start:.3f}"/>
      <attnum name="distance between columns" val="20"/>
      <attnum name="offset within a column" val="10"/>
      <attnum name="initial speed" val="0"/>
      <attnum name="initial height" val="0.2"/>
    </section>
  </section>
  <section name="Drivers">
    <attnum name="maximum number" val="1"/>
    <section name="1"><attnum name="idx" val="{index}"/><attstr name="module" val={robot}/></section>
  </section>
</params>
"""

_ROBOT = """<?xml version="1.0" encoding="UTF-8"?>
<params name="scr" type="robotdef">
  <section name="Robots"><section name="index"><section name="0">
    <attstr name="name" val="scr 1"/>
    <attstr name="car name" val={car}/>
    <attnum name="race number" val="1"/>
  </section></section></section>
</params>
"""


def find_category(data: Path, track: str) -> str:
    """The category of a track, a folder of TORCS's data.

    Raises:
        ValueError: there is no such track; the message names those there are.
    """
    found = [path.parent.name for path in sorted((data / "tracks").glob("*/*")) if path.name == track]
    if not found:
        known = ", ".join(sorted(path.name for path in (data / "tracks").glob("*/*")))
        raise ValueError(f"track is {track!r}, which TORCS does not have; it must be one of {known}")
    return found[0]


def check_car(data: Path, car: str) -> None:
    """Checks that TORCS has the car.

    Raises:
        ValueError: it has not; the message names those there are.
    """
    if not (data / "cars" / car / f"{car}.xml").is_file():
        known = ", ".join(sorted(path.name for path in (data / "cars").iterdir()))
        raise ValueError(f"car is {car!r}, which TORCS does not have; it must be one of {known}")


def write_settings(folder: Path, data: Path, car: str) -> None:
    """Writes what all races in this folder share: the settings of TORCS and of its robot.

    Raises:
        OSError: a file cannot be read or written.
    """
    (folder / "config").mkdir()
    (folder / "drivers" / "scr").mkdir(parents=True)
    (folder / "results" / "race").mkdir(parents=True)
    shutil.copyfile(data / "config" / "raceengine.xml", folder / "config" / "raceengine.xml")
    (folder / "drivers" / "scr" / "scr.xml").write_text(_ROBOT.format(car=quoteattr(car)))


def write_race(
    path: Path,
    *,
    track: str,
    category: str,
    to_start_metres: float = GRID_METRES,
    laps: int = MANY_LAPS,
    robot: str = ROBOT,
    index: int = 0,
) -> None:
    """Writes a race of one car.

    Args:
        to_start_metres: from where the car stands to the start line, less than a lap.
        laps: after which the race ends.
        robot: the module that drives.
        index: of its drivers.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(
        _RACE.format(
            track=quoteattr(track),
            category=quoteattr(category),
            laps=laps,
            to_start=to_start_metres,
            robot=quoteattr(robot),
            index=index,
        )
    )
