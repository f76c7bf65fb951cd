"""Lap and sector times from the sensors of a race."""

import numpy as np

from worker_service.simulators.lap import SECTORS, Lap
from worker_service.simulators.scr.protocol import Sensors

LINE_METRES = 100.0
"""The distance from the start line falls, or rises, by more than this at the line alone."""

MESSAGE_SECONDS = 0.1
"""Longer than between any two messages."""


class LapTimer:
    """Times the laps of one race.

    A server's clock of the lap does not tell when the first flying lap began where a race starts away from the line; so
    crossings are placed between two messages, 20 ms apart, as if the speed were constant.

    Args:
        sensors: at the start of the race.
        from_grid: whether the car stands before the line and the clock of the first lap runs from now on.
    """

    def __init__(self, sensors: Sensors, *, from_grid: bool) -> None:
        self.laps = 0
        """Completed."""
        self.race_seconds = sensors.number("curLapTime")
        """Since the start of the race."""
        self._from_grid = from_grid
        # The first crossing of a race from the grid begins a lap whose clock runs already.
        self._begun_seconds: float | None = 0.0 if from_grid else None
        self._line_passed = False
        self._crossings_to_ignore = 0
        self._completed_seconds = 0.0
        self._lap_seconds = self.race_seconds
        self._distance = sensors.number("distFromStart")
        self._trace: list[tuple[float, float]] = []

    @property
    def laps_started(self) -> int:
        """Laps completed, and the one under way if the clock runs."""
        return self.laps + (self._begun_seconds is not None)

    def add(self, sensors: Sensors, speed: float) -> Lap | None:
        """Takes in a message.

        Args:
            speed: of the car [m/s].

        Returns:
            The lap that it completes, if it does.

        Raises:
            MessageError: a sensor is missing.
        """
        self._advance(sensors)
        before, self._distance = self._distance, sensors.number("distFromStart")
        lap = None
        if self._distance > before + LINE_METRES:
            self._crossings_to_ignore += 1
        elif self._distance < before - LINE_METRES:
            if self._crossings_to_ignore:
                self._crossings_to_ignore -= 1
            else:
                lap = self._cross(before, self.race_seconds - self._distance / max(speed, 1.0))
        if self._line_passed:
            self._trace.append((self.race_seconds, self._distance))
        return lap

    def _advance(self, sensors: Sensors) -> None:
        before, self._lap_seconds = self._lap_seconds, sensors.number("curLapTime")
        if self._lap_seconds < before:
            # The server began a lap, and says how long the one before was, unless it was none: the way to the line.
            told = sensors.number("lastLapTime")
            self._completed_seconds += told if abs(told - before) < MESSAGE_SECONDS else before
        self.race_seconds = self._completed_seconds + self._lap_seconds

    def _cross(self, length: float, moment: float) -> Lap | None:
        lap = None
        if self._line_passed:
            assert self._begun_seconds is not None, "it runs from the line on at the latest"
            self.laps += 1
            seconds, metres = np.array([(self._begun_seconds, 0.0), *self._trace, (moment, length)]).T
            marks = [float(np.interp(length * mark / SECTORS, metres, seconds)) for mark in range(1, SECTORS)]
            first, second = marks
            lap = Lap(
                number=self.laps,
                time_seconds=moment - self._begun_seconds,
                sector_times_seconds=(first - self._begun_seconds, second - first, moment - second),
                standing_start=self._from_grid and self.laps == 1,
            )
        if self._line_passed or self._begun_seconds is None:
            self._begun_seconds = moment
        self._line_passed = True
        self._trace.clear()
        return lap
