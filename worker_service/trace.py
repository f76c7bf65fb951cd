"""A trace: where a car was and how fast, step by step, as CSV."""

import csv
import math
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Final

from worker_service.columns import Environment
from worker_service.saved_policy import DriveError

PLACE_AND_SPEED: Final = {"x_metres", "y_metres", "forward_metres_per_second", "sideways_metres_per_second"}
"""What a trace needs of an environment's state, a dataclass as `unwrapped.state`."""


@dataclass(eq=False)
class TraceFile:
    """Steps as lines of CSV; the first line of an episode is the state after `reset`."""

    path: Path
    rows: list[dict[str, float | int | str]] = field(default_factory=list)

    def add(
        self, environment: Environment, episode: int, step: int, reward: float = 0.0, lap_seconds: float | None = None
    ) -> None:
        """Notes where things stand after a step.

        Args:
            lap_seconds: time of the lap that ended in this step, if one did.

        Raises:
            DriveError: the environment does not tell what a trace needs.
        """
        motion, rate = _motion(environment), environment.metadata.get("render_fps")
        if motion is None or not rate:
            raise DriveError(
                f"{environment} does not tell where a car is and how fast, which a trace needs: leave --trace out"
            )
        speed = math.hypot(motion["forward_metres_per_second"], motion["sideways_metres_per_second"])
        self.rows.append(
            {
                "episode": episode,
                "step": step,
                "time_seconds": step / rate,
                **motion,
                "speed_metres_per_second": speed,
                "reward": reward,
                "lap_seconds": "" if lap_seconds is None else repr(lap_seconds),
            }
        )

    def write(self) -> None:
        """Writes the file.

        Raises:
            OSError: it cannot be written.
        """
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def _motion(environment: Environment) -> dict[str, float] | None:
    """The environment's state by name, if it has one that says where a car is and how fast."""
    state = getattr(environment.unwrapped, "state", None)
    if not is_dataclass(state) or isinstance(state, type):
        return None
    motion = asdict(state)
    return motion if motion.keys() >= PLACE_AND_SPEED else None
