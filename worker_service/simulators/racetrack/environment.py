"""The racing car as a Gymnasium environment."""

from dataclasses import asdict
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worker_service.simulators.lap import Lap
from worker_service.simulators.racetrack import tracking
from worker_service.simulators.racetrack.camera import Camera
from worker_service.simulators.racetrack.car_state import CarState
from worker_service.simulators.racetrack.catalogue import find_track, track_names
from worker_service.simulators.racetrack.circuits import DEFAULT_CIRCUIT
from worker_service.simulators.racetrack.laps import LapClock
from worker_service.simulators.racetrack.optimum import find_optimum
from worker_service.simulators.racetrack.render import Canvas
from worker_service.simulators.racetrack.starts import STARTS, Starts
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.tracking import Reward
from worker_service.simulators.racetrack.vehicle import CAR, Vehicle, advance

CONTROL_SECONDS = 0.1
PHYSICS_SUBSTEPS = 10
STALL_SECONDS = 3.0
TRAINING_STEPS = 1000
# A lap slower than this average is not going to be finished.
SLOWEST_LAP_METRES_PER_SECOND = 8.0

Observation = Any  # NDArray[np.float32], or with a camera dict[str, NDArray]


class Racetrack(gymnasium.Env[Any, NDArray[np.float32]]):
    """One racing car alone on a closed track, at ten decisions a second.

    Action: float32 [2] in [-1, 1]: steer as a share of the steer limit, left positive; throttle
    (positive) or braking (negative). Observation: float32 [59], described in `tracking`; with a
    camera a dict of it as "observation" and "camera", uint8 [H, W, 3]; of a car that sees its camera
    alone "camera", "speed", float32 [1], as in it, and for critics "privileged/observation".

    Reward: metres of progress along the centre line, less a little for steering change; leaving
    the track pays no progress and costs in proportion to the speed (see `Reward`).

    An episode is terminated when the car's centre leaves the track, when the car points more
    than 90 degrees off the track's direction, rolls backwards, or stands for 3 s. It is
    truncated after `laps` laps or `max_steps` steps.

    `info` of every step has `progress_metres`. The step that completes a lap adds `lap`: number,
    time_seconds, sector_times_seconds, standing_start; and, where the optimum of the track and the
    car is known (see `optimum`), optimum_lap_seconds, of a lap begun like this one, and lap_ratio,
    the lap time over it. The step that ends the episode adds `metrics`, floats by name.

    Args:
        track: a shipped circuit's name, `random:SEED`, `random:FIRST-LAST` for one of these tracks each
            episode, `l2r:thruxton` or `l2r:anglesey` (read from
            the package `l2r` 0.0.2, if installed), the path of a .csv file, or a `Track`.
        start: "random", somewhere along the track at a plausible speed, offset and heading, or
            "standing", at rest on the start line; `reset(options={"start": ...})` overrides it
            for one episode.
        laps: timed laps after which the episode ends; None for no limit. After a random start
            the clock starts at the line.
        max_steps: steps after which the episode ends; None for 1,000 (100 s), or with `laps` as
            many as those laps take at 8 m/s.
        render_mode: None, or "rgb_array" for pictures from above, uint8 [600, 800, 3].
        camera: False, or the width and height in pixels of the front camera's picture.
        camera_alone: whether the policy must do with the camera and the speed.
        reward: the reward's weights.
        vehicle: the car's parameters.

    Raises:
        ValueError: an argument is invalid.
        OSError: the track's file cannot be read.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1.0 / CONTROL_SECONDS)}  # noqa: RUF012  # as Env does

    def __init__(
        self,
        *,
        track: str | Track = DEFAULT_CIRCUIT,
        start: str = "random",
        laps: int | None = None,
        max_steps: int | None = None,
        render_mode: str | None = None,
        camera: int | bool = False,
        camera_alone: bool = False,
        reward: Reward | None = None,
        vehicle: Vehicle | None = None,
    ) -> None:
        for name, value in (("laps", laps), ("max_steps", max_steps)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1, or None for no limit")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}; it must be None or 'rgb_array'")
        self._tracks: tuple[str | Track, ...] = (track,) if isinstance(track, Track) else track_names(track)
        self.vehicle = vehicle or Vehicle()
        self.render_mode = render_mode
        self._start = _valid_start(start)
        self._laps = laps
        self._given_max_steps = max_steps
        if camera_alone and camera is False:
            raise ValueError("camera_alone is given without a camera: give camera=64")
        self._camera_alone = camera_alone
        self._camera_pixels = None if camera is False else 96 if camera is True else camera

        # What compiled functions take, made once: looking these up on every step would cost more
        # than the physics.
        self._car = np.zeros(1, CAR)
        self._place = np.zeros(1, tracking.PLACE)
        self._vehicle_record = self.vehicle.record()
        self._weights = (reward or Reward()).record()
        self._steps = 0
        self._first_metres = 0.0
        self._running = False
        self._take(self._tracks[0])

        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        limit = tracking.OBSERVATION_LIMIT
        vector = spaces.Box(-limit, limit, (tracking.OBSERVATION_ENTRIES,), np.float32)
        self.observation_space: spaces.Space[Any] = vector
        if self._camera is not None:
            columns: dict[str, spaces.Space[Any]] = {
                "privileged/observation" if camera_alone else "observation": vector,
                "camera": spaces.Box(0, 255, self._camera.shape, np.uint8),
            }
            if camera_alone:
                columns["speed"] = spaces.Box(-limit, limit, (1,), np.float32)
            self.observation_space = spaces.Dict(columns)

    def _take(self, track: str | Track) -> None:
        """Drives on this track from now on."""
        self.track = track if isinstance(track, Track) else find_track(track)
        self._stations = self.track.stations
        self._spacing = self.track.spacing_metres
        self._clock = LapClock(self.track.length_metres)
        self._starts = Starts(self.track, self.vehicle)
        max_steps = self._given_max_steps
        if max_steps is None:
            lap_steps = self.track.length_metres / SLOWEST_LAP_METRES_PER_SECOND / CONTROL_SECONDS
            max_steps = TRAINING_STEPS if self._laps is None else int((self._laps + 1) * lap_steps)
        self._max_steps = max_steps
        self._camera = None if self._camera_pixels is None else Camera(self.track, self._camera_pixels)
        self._canvas = Canvas(self.track, self.vehicle) if self.render_mode == "rgb_array" else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Put the car on the track.

        Args:
            seed: of the random starts, and tracks where there are several, from now on.
            options: `start` may be "random" or "standing", for this episode.
        """
        super().reset(seed=seed)
        if len(self._tracks) > 1:
            self._take(self._tracks[int(self.np_random.integers(len(self._tracks)))])
        start = _valid_start((options or {}).get("start", self._start))
        if start == "standing":
            self._starts.standing(self._car, self._place)
        else:
            self._starts.random(self._car, self._place, self.np_random)
        self._first_metres = float(self._place["distance_metres"][0])
        self._place["next_mark_metres"] = self._clock.restart(standing=start == "standing")
        self._steps = 0
        self._running = True
        if self._canvas is not None:
            self._canvas.clear()
            self._canvas.add(self._car)
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Drive for 0.1 s.

        Args:
            action: float32 [2], clipped to [-1, 1].

        Raises:
            RuntimeError: there was no `reset` since the environment was made or the episode ended.
            ValueError: the action is not two numbers.
        """
        if not self._running:
            raise RuntimeError("the episode has not begun or is over; call reset before step")
        try:
            steer, acceleration = action.tolist()
            steer = float(min(max(steer, -1.0), 1.0))
            acceleration = float(min(max(acceleration, -1.0), 1.0))
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"action is {action!r}; it must be a NumPy array of two numbers") from None
        advance(self._car, self._vehicle_record, steer, acceleration, CONTROL_SECONDS, PHYSICS_SUBSTEPS)
        reward, status, progress = tracking.follow(
            self._car,
            self._place,
            self._stations,
            self._spacing,
            self._weights,
            steer,
            acceleration,
            CONTROL_SECONDS,
            STALL_SECONDS,
        )
        self._steps += 1
        if status & tracking.NOT_FINITE:
            self._running = False
            raise ValueError(f"action is {action!r}; both numbers must be finite")
        info: dict[str, Any] = {"progress_metres": progress}
        if status & tracking.MARK_PASSED and not status & tracking.OFF_TRACK:
            lap = self._pass_mark(progress)
            if lap is not None:
                info["lap"] = self._describe(lap)
        if self._canvas is not None:
            self._canvas.add(self._car)
        terminated = bool(status & tracking.ENDED)
        truncated = not terminated and (
            self._steps >= self._max_steps or (self._laps is not None and self._clock.laps >= self._laps)
        )
        if terminated or truncated:
            self._running = False
            info["metrics"] = self._metrics(status)
        return self._observation(), reward, terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the track from above with the car and where it has been: uint8 [600, 800, 3].

        Returns:
            The picture, or None without a render mode.
        """
        if self._canvas is None:
            return None
        return self._canvas.draw(
            f"{self.track.name}   lap {self._clock.laps + 1}   "
            f"{self._steps * CONTROL_SECONDS:.1f} s   {self.state.speed_metres_per_second * 3.6:.0f} km/h"
        )

    @property
    def track_count(self) -> int:
        """Tracks that episodes are driven on."""
        return len(self._tracks)

    @property
    def state(self) -> CarState:
        """Where the car is and how it moves."""
        return CarState.from_records(self._car, self._place)

    def _observation(self) -> Observation:
        vector = np.empty(tracking.OBSERVATION_ENTRIES, np.float32)
        tracking.observe(
            self._car,
            self._place,
            self._stations,
            self._spacing,
            self.vehicle.steer_limit_radians,
            vector,
        )
        if self._camera is None:
            return vector
        picture = self._camera.picture(self._car)
        if self._camera_alone:
            return {"privileged/observation": vector, "camera": picture, "speed": vector[tracking.SPEED]}
        return {"observation": vector, "camera": picture}

    def _pass_mark(self, progress_metres: float) -> Lap | None:
        mark, lap = self._clock.pass_mark(
            end_seconds=self._steps * CONTROL_SECONDS,
            step_seconds=CONTROL_SECONDS,
            end_metres=float(self._place["distance_metres"][0]),
            step_metres=progress_metres,
        )
        self._place["next_mark_metres"] = mark
        return lap

    def _describe(self, lap: Lap) -> dict[str, Any]:
        optimum = find_optimum(self.track, self.vehicle)
        if optimum is None:
            return asdict(lap)
        least = optimum.lap_seconds(standing_start=lap.standing_start)
        return asdict(lap) | {"optimum_lap_seconds": least, "lap_ratio": lap.time_seconds / least}

    def _metrics(self, status: int) -> dict[str, float]:
        seconds = self._steps * CONTROL_SECONDS
        place = self._place[0]
        return {
            "distance_metres": float(place["distance_metres"]) - self._first_metres,
            "laps_completed": float(self._clock.laps),
            # The last lap asked for ends where another would begin.
            "laps_started": float(min(self._clock.laps_started, self._laps or self._clock.laps_started)),
            "duration_seconds": seconds,
            "mean_speed_metres_per_second": float(place["path_metres"]) / seconds,
            "off_track": float(bool(status & tracking.OFF_TRACK)),
            "spun": float(bool(status & tracking.SPUN)),
            "reversed": float(bool(status & tracking.REVERSED)),
            "stalled": float(bool(status & tracking.STALLED)),
        }


def _valid_start(start: str) -> str:
    if start not in STARTS:
        raise ValueError(f"start is {start!r}; it must be 'random' or 'standing'")
    return start
