"""One race as an episode: progress, laps, and what ends it."""

import math
from typing import Final

from worker_service.simulators.lap import Lap
from worker_service.simulators.scr.laps import LapTimer
from worker_service.simulators.scr.observation import METRES_PER_SECOND
from worker_service.simulators.scr.protocol import Sensors

STALL_SECONDS: Final = 4.0
STALL_METRES: Final = 4.0
"""A car that gets no farther than this in the time above stands still."""
MOST_DAMAGE: Final = 50.0
"""Points of damage, of 10,000 that wreck a car; landing hard and scraping a wall cost some."""


class Episode:
    """Follows a race message by message.

    Args:
        sensors: at its start.
        from_grid: whether the car stands before the start line.
    """

    def __init__(self, sensors: Sensors, *, from_grid: bool) -> None:
        self.steps = 0
        self.speed = 0.0
        """Metres a second, ahead."""
        self.progress_metres = 0.0
        """Along the centre line since the step began."""
        self.lap: Lap | None = None
        """Completed since the step began."""
        self.off_track = self._reversed = self._stalled = self._damaged = False
        self._timer = LapTimer(sensors, from_grid=from_grid)
        self._metres = self._first_metres = sensors.number("distRaced")
        self._first_damage = sensors.number("damage")
        self._first_seconds = self._timer.race_seconds
        self._path_metres = 0.0
        self._moved = (self._timer.race_seconds, self._metres)

    @property
    def failed(self) -> bool:
        """Whether the episode ends for what the car did."""
        return self.off_track or self._reversed or self._stalled or self._damaged

    @property
    def laps(self) -> int:
        """Completed."""
        return self._timer.laps

    def begin_step(self) -> None:
        """A step begins."""
        self.steps += 1
        self.progress_metres = 0.0
        self.lap = None

    def add(self, sensors: Sensors) -> None:
        """Takes in a message.

        Raises:
            MessageError: a sensor is missing.
        """
        before = self._timer.race_seconds
        self.speed = sensors.number("speedX") * METRES_PER_SECOND
        # Off the track a lap is not completed, even if the same message says that the line was passed.
        self.off_track = abs(sensors.number("trackPos")) > 1.0
        lap = self._timer.add(sensors, self.speed)
        if lap is not None and not self.off_track:
            self.lap = lap
        metres = sensors.number("distRaced")
        self.progress_metres += metres - self._metres
        self._metres = metres
        now = self._timer.race_seconds
        self._path_metres += abs(self.speed) * (now - before)
        self._reversed = abs(sensors.number("angle")) > 0.5 * math.pi
        self._damaged = sensors.number("damage") - self._first_damage > MOST_DAMAGE
        if metres - self._moved[1] > STALL_METRES:
            self._moved = (now, metres)
        self._stalled = now - self._moved[0] > STALL_SECONDS

    def metrics(self, laps_asked: int | None) -> dict[str, float]:
        """Figures of the whole episode, by name.

        Args:
            laps_asked: after which the episode ends; the last ends where another would begin.
        """
        seconds = self._timer.race_seconds - self._first_seconds
        started = self._timer.laps_started
        return {
            "distance_metres": self._metres - self._first_metres,
            "laps_completed": float(self.laps),
            "laps_started": float(min(started, laps_asked or started)),
            "duration_seconds": seconds,
            "mean_speed_metres_per_second": self._path_metres / seconds if seconds > 0 else 0.0,
            "off_track": float(self.off_track),
            "reversed": float(self._reversed),
            "stalled": float(self._stalled),
            "damaged": float(self._damaged),
        }
