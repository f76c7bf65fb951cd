"""Learn-to-Race as a Gymnasium environment."""

from dataclasses import asdict
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worker_service.simulators.l2r.connection import STEP_SECONDS, Connection
from worker_service.simulators.l2r.conventions import Conventions
from worker_service.simulators.l2r.course import DEFAULT_COURSE, Course, course_name, find_course
from worker_service.simulators.l2r.errors import SimulatorUnreachableError
from worker_service.simulators.l2r.metrics import EpisodeTrace, L2RMetrics, l2r_metrics, wheels_out
from worker_service.simulators.l2r.progress import ENDINGS, FAILURES, Progress
from worker_service.simulators.l2r.protocol import CAMERAS, POSE_ENTRIES, Action, Image, Pose, PoseIndex
from worker_service.simulators.l2r.reward import REWARDS
from worker_service.simulators.l2r.road_view import RoadView
from worker_service.simulators.l2r.simulators import EMULATOR, open_connection
from worker_service.simulators.racetrack import tracking
from worker_service.simulators.racetrack.car_state import CarState

MAX_STEER_RADIANS: Final = 1.0
MAX_ACCELERATION: Final = 6.0
MAX_BRAKING: Final = 16.0
MAX_STEPS: Final = 5000
METRICS_SAMPLES: Final = 4
"""Metrics of a shorter episode are not defined."""
STARTS: Final = ("standing", "random")
VIEWS: Final = ("road", "pose")


class LearnToRace(gymnasium.Env[Any, NDArray[np.float32]]):
    """A car of the Arrival simulator, or of its emulator, alone on a circuit, at ten decisions a second.

    Action: float32 [2] in [-1, 1]: steer and acceleration as shares of their limits, 6 m/s² forwards and 16 m/s²
    braking. Observation: float32 [59] of the road ahead, as `Racetrack-v0` sees it, from the pose and the map; or
    "pose", float64 [30], Learn-to-Race's own (see `protocol.PoseIndex`); with cameras a dict of that, under
    "observation" or "pose", and each camera's picture, uint8 [H, W, 3], RGB, under its name.

    An episode is terminated when two corners of the car's box are off the track, when the car is where it was 100
    steps before, or has come less than 50 m in 299 steps; truncated after `laps` laps, a success, and after
    `max_steps`.

    `info` of every step has `pose`, float64 [30], and `progress_metres`; that of a step that completes a lap `lap`;
    that of the last step `metrics`: Learn-to-Race's (see `metrics`), `laps_started`, `laps_completed`, and 1 for the
    ending of `progress.ENDINGS` that came.

    Args:
        track: thruxton or anglesey.
        simulator: "emulator" starts one of its own, which lives as long as the environment; HOST is a simulator at the
            published ports, HOST:PORT an emulator at consecutive ports from there.
        speed: simulated seconds a second; None for 1, and for the emulator of its own for lock-step, in which
            simulated time passes with the actions alone.
        client: this machine, as the simulator reaches it.
        start: "standing" at the level's beginning, or "random", at rest somewhere on the centre line.
        laps: of an episode.
        max_steps: of an episode.
        max_steer: radians; that of the cars is 1, training has been restricted to 0.3.
        view: "road" or "pose".
        cameras: names with commas between: CameraFrontRGB, CameraLeftRGB, CameraRightRGB.
        camera_width, camera_height: of the pictures, pixels.
        reward: GranTurismo, or CustomReward, with a bonus near the centre line.
        conventions: what is not known of the simulator (see `conventions`), NAME=VALUE with commas between.

    Raises:
        ValueError: an argument is invalid.
        OSError: a map cannot be read, a port is taken, or the simulator does not answer.
    """

    metadata = {"render_modes": [], "render_fps": round(1.0 / STEP_SECONDS)}  # noqa: RUF012  # as Env does

    def __init__(
        self,
        *,
        track: str = DEFAULT_COURSE,
        simulator: str = EMULATOR,
        speed: float | None = None,
        client: str = "127.0.0.1",
        start: str = "standing",
        laps: int = 1,
        max_steps: int = MAX_STEPS,
        max_steer: float = 0.3,
        view: str = "road",
        cameras: str = "",
        camera_width: int = 512,
        camera_height: int = 384,
        reward: str = "GranTurismo",
        conventions: str = "",
    ) -> None:
        names = tuple(filter(None, (name.strip() for name in cameras.split(","))))
        for name, value, choices in (
            ("start", start, STARTS),
            ("view", view, VIEWS),
            ("reward", reward, tuple(REWARDS)),
            *(("camera", camera, tuple(CAMERAS)) for camera in names),
        ):
            if value not in choices:
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
        if laps < 1 or max_steps < 1:
            raise ValueError(f"laps is {laps} and max_steps {max_steps}; both must be at least 1")
        if not 0.0 < max_steer <= MAX_STEER_RADIANS:
            raise ValueError(f"max_steer is {max_steer}; it must be above 0 and at most {MAX_STEER_RADIANS:g} rad")
        self.course: Course = find_course(course_name(track))
        self._conventions = Conventions.parse(conventions)
        self._start, self._laps, self._view = start, laps, view
        self.max_steer, self.max_acceleration = max_steer, MAX_ACCELERATION
        self._reward = REWARDS[reward]
        self._progress = Progress(self.course, laps=laps, max_steps=max_steps)
        self._road = RoadView(self.course, self._conventions, max_steer)
        self._samples: list[tuple[CarState, int, float]] = []
        self._images: dict[str, Image] = {}
        self._running = False
        self.metrics: L2RMetrics | None = None

        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        limit = tracking.OBSERVATION_LIMIT
        road = spaces.Box(-limit, limit, (tracking.OBSERVATION_ENTRIES,), np.float32)
        pose = spaces.Box(-np.inf, np.inf, (POSE_ENTRIES,), np.float64)
        vector = road if view == "road" else pose
        self.observation_space: spaces.Space[Any] = vector
        if names:
            picture = spaces.Box(0, 255, (camera_height, camera_width, 3), np.uint8)
            key = "observation" if view == "road" else "pose"
            self.observation_space = spaces.Dict({key: vector, **dict.fromkeys(names, picture)})
        self._connection: Connection = open_connection(
            simulator,
            course=self.course,
            speed=speed,
            client=client,
            cameras=dict.fromkeys(names, (camera_width, camera_height)),
            conventions=conventions,
        )
        self._configured = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; the car moves a little until it obeys.

        Args:
            seed: of the random starts from now on.
            options: `start` may be "standing" or "random", for this episode.

        Raises:
            ValueError: there is no such start.
            SimulatorUnreachableError, SimulatorRefusedError: the simulator does not do as it is told; see `step`.
        """
        super().reset(seed=seed)
        start = (options or {}).get("start", self._start)
        if start not in STARTS:
            raise ValueError(f"start is {start!r}; it must be one of {', '.join(STARTS)}")
        try:
            pose = self._localise(self._restart(start))
        except SimulatorUnreachableError as error:
            raise self._connection.failure(error) from error
        self._road.begin(pose)
        state = self._road.state
        self._progress.begin(self.course.nearest_index(state.x_metres, state.y_metres))
        self._begin_seconds = self._last_seconds = self._connection.seconds
        self._samples = [(state, self._corners_out(state), 0.0)]
        self._running = True
        self.metrics = None
        return self._observation(pose), {"pose": pose}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Drives for 0.1 s.

        Args:
            action: float32 [2], clipped to [-1, 1].

        Raises:
            RuntimeError: there was no `reset` since the environment was made or the episode ended.
            ValueError: the action is not two finite numbers.
            SimulatorUnreachableError: the simulator does not answer.
            SimulatorProcessError: the emulator of its own does not; the message names its log.
        """
        if not self._running:
            raise RuntimeError("the episode has not begun or is over; call reset before step")
        wanted = np.asarray(action, np.float64)
        if wanted.shape != (2,) or not np.isfinite(wanted).all():
            raise ValueError(f"action is {action!r}; it must be two finite numbers")
        steer, acceleration = np.clip(wanted, -1.0, 1.0).tolist()
        told = Action(
            steer_radians=steer * self.max_steer,
            acceleration=acceleration * (self.max_acceleration if acceleration > 0.0 else MAX_BRAKING),
        )
        try:
            raw = self._connection.step(told)
            self._images = self._connection.images()
        except SimulatorUnreachableError as error:
            self._running = False
            raise self._connection.failure(error) from error
        assert raw is not None, "a step without an answer raises"
        pose = self._localise(raw)
        now = self._connection.seconds
        progress = self._road.step(pose, steer, acceleration, now - self._last_seconds)
        self._last_seconds = now
        state = self._road.state
        corners = self._corners_out(state)
        elapsed = now - self._begin_seconds
        self._samples.append((state, corners, elapsed))
        points, lap = self._progress.step(self.course.nearest_index(state.x_metres, state.y_metres), elapsed)
        ending = self._progress.ending(corners)
        out = ending == "out_of_bounds"
        reward = self._reward(points, state.speed_metres_per_second, abs(state.offset_metres), out)
        info: dict[str, Any] = {"pose": pose, "progress_metres": progress}
        if lap is not None:
            info["lap"] = lap
        if ending is not None:
            self._running = False
            info["metrics"] = self._finish(ending)
        terminated = ending in FAILURES
        return self._observation(pose), reward, terminated, ending is not None and not terminated, info

    def close(self) -> None:
        """Leaves the simulator; an emulator of its own ends."""
        self._connection.close()

    @property
    def state(self) -> CarState:
        """Where the car is and how it moves."""
        return self._road.state

    @property
    def trace(self) -> EpisodeTrace:
        """The episode so far.

        Raises:
            ValueError: it is too short.
        """
        states = [state for state, _, _ in self._samples]
        yaw = np.array([state.yaw_radians for state in states])
        forward = np.array([state.forward_metres_per_second for state in states])
        left = np.array([state.sideways_metres_per_second for state in states])
        distances = np.array([state.distance_metres for state in states])
        return EpisodeTrace(
            positions=np.array([(state.x_metres, state.y_metres) for state in states]),
            velocities=np.stack(
                [forward * np.cos(yaw) - left * np.sin(yaw), forward * np.sin(yaw) + left * np.cos(yaw)], axis=1
            ),
            offsets=np.array([state.offset_metres for state in states]),
            wheels_out=np.array([corners for _, corners, _ in self._samples], np.int64),
            distances=distances - distances[0],
            step_seconds=self._samples[-1][2] / max(1, len(states) - 1),
        )

    def _restart(self, start: str) -> Pose:
        """The car where an episode begins, and obeying; its raw pose."""
        if not self._configured:
            self._connection.configure(self.course.level_name)
            self._configured = True
        self._connection.control.reset_level()
        if start == "random":
            self._place_somewhere()
        pose = self._connection.take_wheel()
        self._images = self._connection.images()
        return pose

    def _place_somewhere(self) -> None:
        stations = self.course.track.stations
        at = stations[int(self.np_random.integers(len(stations) - 1))]
        yaw = self._conventions.encode_start_yaw(float(at["heading"]))
        self._connection.control.set_vehicle_position(-float(at["x"]), -float(at["y"]), 0.0, yaw)

    def _localise(self, pose: Pose) -> Pose:
        """The pose with North, East, Up and the track's number in their entries."""
        local = pose.copy()
        first = PoseIndex.LONGITUDE
        east, north, up = self.course.reference.enu(*pose[first : first + 3].tolist())
        local[first : first + 3] = north, east, up
        local[PoseIndex.MODE] = self.course.number
        return local

    def _corners_out(self, state: CarState) -> int:
        position = np.array([[state.x_metres, state.y_metres]])
        corners = wheels_out(position, np.array([state.yaw_radians]), np.array([state.arc_metres]), self.course.track)
        return int(corners[0])

    def _observation(self, pose: Pose) -> Any:
        vector = self._road.observe() if self._view == "road" else pose
        if not isinstance(self.observation_space, spaces.Dict):
            return vector
        key = "observation" if self._view == "road" else "pose"
        return {key: vector, **self._images}

    def _finish(self, ending: str) -> dict[str, float]:
        found: dict[str, float] = {name: float(name == ending) for name in ENDINGS}
        found["laps_completed"] = float(self._progress.laps)
        found["laps_started"] = float(min(self._progress.laps + 1, self._laps))
        if len(self._samples) >= METRICS_SAMPLES:
            self.metrics = l2r_metrics(self.trace, self.course.track, self._laps)
            found |= asdict(self.metrics)
        return found
