"""How far an episode of Learn-to-Race has come, and whether it is over."""

from typing import Any, Final

from worker_service.simulators.l2r.course import Course

STUCK_STEPS: Final = 100
PROGRESS_STEPS: Final = 299
PROGRESS_POINTS: Final = 100
LAP_END_POINTS: Final = 100
"""A lap ends within so many points after its start, which no step passes at once."""
OUT_OF_BOUNDS_CORNERS: Final = 2

ENDINGS: Final = ("out_of_bounds", "stuck", "not_progressing", "did_not_finish", "success")
FAILURES: Final = ENDINGS[:3]
"""Those that end an episode by the car's own doing; the others cut it short."""


class Progress:
    """Laps and endings of one episode, counted in points of the course's centre line.

    Args:
        course: what is driven.
        laps: after which the episode is a success.
        max_steps: after which it did not finish.
    """

    def __init__(self, course: Course, *, laps: int, max_steps: int) -> None:
        self._course = course
        self._laps = laps
        self._max_steps = max_steps
        self.begin(0)

    def begin(self, index: int) -> None:
        """A new episode starts at this point of the centre line; its laps begin there."""
        self._start = self._index = index
        self._history = [0]
        self._halfway = False
        self._seconds = self._lap_start_seconds = 0.0
        self._lap_times: list[float] = []
        self.points = 0

    @property
    def steps(self) -> int:
        """Taken in this episode."""
        return len(self._history) - 1

    @property
    def laps(self) -> int:
        """Completed in this episode."""
        return len(self._lap_times)

    def step(self, index: int, seconds: float) -> tuple[int, dict[str, Any] | None]:
        """Takes in where a step led to.

        Args:
            index: the nearest point.
            seconds: since the episode began.

        Returns:
            Points that the step brought, and the lap that it completed, if one: number, time_seconds, standing_start.
        """
        count = len(self._course.centre)
        change = self._course.index_change(self._index, index)
        before, shifted = self._history[-1], (index - self._start) % count
        # Only forwards: a car that backs over its start is not half-way round.
        if change > 0 and before <= count // 2 <= shifted:
            self._halfway = True
        lap = None
        if self._halfway and change > 0 and shifted < LAP_END_POINTS:
            end = seconds - (seconds - self._seconds) * shifted / max(change, 1)
            self._lap_times.append(end - self._lap_start_seconds)
            lap = {"number": self.laps, "time_seconds": self._lap_times[-1], "standing_start": self.laps == 1}
            self._lap_start_seconds, self._halfway = end, False
        self.points += change
        self._index, self._seconds = index, seconds
        self._history.append(shifted)
        return change, lap

    def ending(self, corners_out: int) -> str | None:
        """One of `ENDINGS`, or None while the episode goes on.

        Args:
            corners_out: of the car's box, off the track.
        """
        if corners_out >= OUT_OF_BOUNDS_CORNERS:
            return "out_of_bounds"
        if self.steps > STUCK_STEPS and self._history[-1] == self._history[-1 - STUCK_STEPS]:
            return "stuck"
        if self.steps == PROGRESS_STEPS and self.points < PROGRESS_POINTS:
            return "not_progressing"
        if self.laps >= self._laps:
            return "success"
        if self.steps >= self._max_steps:
            return "did_not_finish"
        return None
