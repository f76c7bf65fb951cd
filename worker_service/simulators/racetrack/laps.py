"""Lap and sector times from distances at the ends of steps."""

from worker_service.simulators.lap import SECTORS, Lap


class LapClock:
    """Times laps by the moments at which the car passes the ends of sectors.

    A moment is interpolated between the ends of a control step as if the speed were constant in
    it: at 10 m/s^2 over 0.1 s and 30 m/s that is off by at most 0.5 ms.

    Args:
        length_metres: of a lap.
    """

    def __init__(self, length_metres: float) -> None:
        self._sector_metres = length_metres / SECTORS
        self.restart(standing=True)

    def restart(self, *, standing: bool) -> float:
        """Begin an episode.

        Args:
            standing: the car stands on the line and the clock runs from now on; otherwise it is
                somewhere on the lap and the clock starts at the line.

        Returns:
            The distance from the start line at which `pass_mark` is to be called.
        """
        self._laps = 0
        self._standing = standing
        self._passed: list[float] = [0.0] if standing else []
        self._next_mark = 1 if standing else SECTORS
        return self._next_mark * self._sector_metres

    @property
    def laps(self) -> int:
        """Laps completed since `restart`."""
        return self._laps

    @property
    def laps_started(self) -> int:
        """Laps completed, and the one under way if the clock runs."""
        return self._laps + bool(self._passed)

    def pass_mark(
        self, end_seconds: float, step_seconds: float, end_metres: float, step_metres: float
    ) -> tuple[float, Lap | None]:
        """Note that a step has taken the car past the next mark.

        Args:
            end_seconds: time since `restart` at the step's end.
            step_seconds: length of the step.
            end_metres: distance at the step's end, at or past the mark.
            step_metres: how far the step went, more than nothing.

        Returns:
            The distance of the mark after it, and the lap that ended at this mark, if one did.
        """
        over = end_metres - self._next_mark * self._sector_metres
        moment = end_seconds - step_seconds * over / step_metres
        lap = None
        if self._next_mark % SECTORS == 0 and self._passed:
            lap = self._complete(moment)
        self._passed.append(moment)
        self._next_mark += 1
        return self._next_mark * self._sector_metres, lap

    def _complete(self, moment: float) -> Lap:
        start, first, second = self._passed
        self._passed.clear()
        self._laps += 1
        return Lap(
            number=self._laps,
            time_seconds=moment - start,
            sector_times_seconds=(first - start, second - first, moment - second),
            standing_start=self._standing and self._laps == 1,
        )
