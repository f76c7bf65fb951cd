"""TORCS, or any SCR server, as a Gymnasium environment."""

import math
from dataclasses import asdict
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worker_service.simulators.scr.connection import NoAnswerError, RaceEndedError, ScrConnection
from worker_service.simulators.scr.driver_aids import DriverAids
from worker_service.simulators.scr.episode import Episode
from worker_service.simulators.scr.gearbox import Gearbox
from worker_service.simulators.scr.observation import ANGLES_DEGREES, ENTRIES, LIMIT, METRES_PER_SECOND, Observer
from worker_service.simulators.scr.protocol import Action, MessageError, Sensors
from worker_service.simulators.scr.race_files import DEFAULT_CAR, DEFAULT_TRACK
from worker_service.simulators.scr.references import reference_lap_seconds
from worker_service.simulators.scr.reward import Reward
from worker_service.simulators.scr.server import OwnServer, Server, StrangeServer

MESSAGES_PER_SECOND: Final = 50
TRAINING_SECONDS: Final = 100.0
STARTS: Final = ("random", "grid")
SLOWEST_LAP_SECONDS: Final = 400.0
"""A lap slower than this is not going to be finished."""


class Torcs(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One car alone on a track of TORCS, driven over UDP by the SCR protocol.

    Action: float32 [2] in [-1, 1]: steer as a share of the steer lock, left positive; throttle (positive) or braking
    (negative). Without the automatic gearbox a third: the gear, from first at -1 to the last at 1. Observation:
    float32 [42], described in `Observer`. Reward: see `Reward`.

    An episode is terminated when the car's centre leaves the road, when the car points more than 90 degrees off the
    track's direction, makes no way for 4 s, or is damaged. It is truncated after `laps` laps or `max_steps` steps.

    `info` of every step has `progress_metres`. The step that completes a lap adds `lap`: number, time_seconds,
    sector_times_seconds, standing_start; and, where the best lap of TORCS's own robots is known, reference_lap_seconds
    and reference_ratio. The step that ends the episode adds `metrics`, floats by name.

    Args:
        track: the name of a track of TORCS; of a server elsewhere, only a name.
        car: the name of a car of TORCS.
        start: "random", standing somewhere along the track, or "grid", before the start line. A server elsewhere, and
            tracks that bring a grid of their own, know the grid alone.
        laps: timed laps after which the episode ends; None for no limit. After a random start the clock starts at the
            line.
        max_steps: steps after which the episode ends; None for 100 s, or with `laps` as many as slow laps take.
        decisions_per_second: a divisor of 50; an action is held in between.
        automatic_gearbox: whether the gear is none of the policy's business.
        driver_aids: whether brakes and throttle are eased while wheels slip, 50 times a second.
        host, port: of a server that runs already; without them TORCS is started, with the robot of `make torcs`.
        answer_seconds: deadline of each of the server's messages.
        gearbox: when the automatic gearbox shifts.
        aids: how much slip the driver aids let through.
        reward: the reward's weights.

    Raises:
        ValueError: an argument is invalid.
        FileNotFoundError: TORCS is not installed, and no server is named.
        OSError: the host is unknown.
    """

    metadata = {"render_modes": [], "render_fps": 10}  # noqa: RUF012  # as Env does

    def __init__(
        self,
        *,
        track: str = DEFAULT_TRACK,
        car: str = DEFAULT_CAR,
        start: str = "random",
        laps: int | None = None,
        max_steps: int | None = None,
        decisions_per_second: int = 10,
        automatic_gearbox: bool = True,
        driver_aids: bool = True,
        host: str | None = None,
        port: int | None = None,
        answer_seconds: float = 10.0,
        gearbox: Gearbox | None = None,
        aids: DriverAids | None = None,
        reward: Reward | None = None,
    ) -> None:
        for name, value in (("laps", laps), ("max_steps", max_steps)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1, or None for no limit")
        if start not in STARTS:
            raise ValueError(f"start is {start!r}; it must be 'random' or 'grid'")
        if decisions_per_second < 1 or MESSAGES_PER_SECOND % decisions_per_second:
            raise ValueError(
                f"decisions_per_second is {decisions_per_second}; it must divide {MESSAGES_PER_SECOND}: 10, for example"
            )
        if not answer_seconds > 0:
            raise ValueError(f"answer_seconds is {answer_seconds}; it must be above 0")
        if (host is None) != (port is None):
            raise ValueError(f"host is {host!r} and port {port}; give both, or neither to have TORCS started")
        self.track = track
        self._reference_seconds = reference_lap_seconds(car, track)
        self._start = start
        self._laps = laps
        self._messages = MESSAGES_PER_SECOND // decisions_per_second
        seconds = TRAINING_SECONDS if laps is None else (laps + 1) * SLOWEST_LAP_SECONDS
        self._max_steps = max_steps or int(seconds * decisions_per_second)
        self._automatic = automatic_gearbox
        self._gearbox = gearbox or Gearbox()
        self._aids = aids or DriverAids()
        self._driver_aids = driver_aids
        self._reward = reward or Reward()
        self._observer = Observer(self._aids.wheel_radius_metres, 1.0 / decisions_per_second)
        self._answer_seconds = answer_seconds
        self._server: Server
        if host is None or port is None:
            self._server = OwnServer(track, car, answer_seconds=answer_seconds)
        else:
            self._server = StrangeServer(host, port, answer_seconds=answer_seconds)
        self._connection: ScrConnection | None = None
        self._episode: Episode | None = None
        self._sensors: Sensors | None = None
        self._last_action: tuple[float, ...] = (0.0, 0.0)
        self._actions = 2 if automatic_gearbox else 3
        self.action_space = spaces.Box(-1.0, 1.0, (self._actions,), np.float32)
        self.observation_space = spaces.Box(-LIMIT, LIMIT, (ENTRIES,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins a race.

        Args:
            seed: of the random starts, from now on.
            options: none.

        Raises:
            SimulatorProcessError: TORCS did not start or answer.
            NoAnswerError: the server elsewhere did not answer.
            MessageError: it answered what the protocol does not know.
        """
        super().reset(seed=seed)
        self._episode = None
        share = float(self.np_random.random()) if self._start == "random" else None
        self._sensors = self._server.begin_race(share, ANGLES_DEGREES)
        self._connection = self._server.connection
        self._episode = Episode(self._sensors, from_grid=self._server.from_grid)
        self._observer.begin()
        self._last_action = (0.0, 0.0)
        return self._observer.observe(self._sensors, self._last_action), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Drives for one decision.

        Args:
            action: float32 [2], or [3] without the automatic gearbox, clipped to [-1, 1].

        Raises:
            RuntimeError: there was no `reset` since the environment was made or the episode ended.
            ValueError: the action has another shape, or is not finite.
            SimulatorProcessError: TORCS did not answer.
            NoAnswerError: the server elsewhere did not answer.
            MessageError: it answered what the protocol does not know.
            RaceEndedError: it ended the race.
        """
        episode = self._episode
        if episode is None:
            raise RuntimeError("the episode has not begun or is over; call reset before step")
        chosen = np.asarray(action, np.float64)
        if chosen.shape != (self._actions,) or not np.isfinite(chosen).all():
            raise ValueError(f"action is {action!r}; it must be {self._actions} finite numbers")
        wanted = tuple(np.clip(chosen, -1.0, 1.0).tolist())
        try:
            episode.begin_step()
            sensors = self._drive(episode, wanted)
            observation = self._observer.observe(sensors, wanted)
        except (NoAnswerError, MessageError, RaceEndedError) as error:
            self._episode = None
            raise self._server.failure(error) from error
        reward = self._reward.of(
            progress_metres=episode.progress_metres,
            steer_change=wanted[0] - self._last_action[0],
            speed=episode.speed,
            off_track=episode.off_track,
            failed=episode.failed,
        )
        self._last_action = wanted
        info: dict[str, Any] = {"progress_metres": episode.progress_metres}
        if episode.lap is not None:
            info["lap"] = asdict(episode.lap)
            if self._reference_seconds is not None:
                info["lap"] |= {
                    "reference_lap_seconds": self._reference_seconds,
                    "reference_ratio": episode.lap.time_seconds / self._reference_seconds,
                }
        truncated = not episode.failed and (
            episode.steps >= self._max_steps or (self._laps is not None and episode.laps >= self._laps)
        )
        if episode.failed or truncated:
            self._episode = None
            info["metrics"] = episode.metrics(self._laps)
        return observation, reward, episode.failed, truncated, info

    def close(self) -> None:
        """Ends TORCS, if it was started here, and closes the connection.

        Raises:
            SimulatorProcessError: TORCS does not even end by SIGKILL.
        """
        self._episode = None
        self._server.close()

    def _drive(self, episode: Episode, wanted: tuple[float, ...]) -> Sensors:
        """Answers as many messages as a decision lasts, or fewer if the episode ends within; the newest sensors."""
        assert self._connection is not None and self._sensors is not None, "set by reset"
        for _ in range(self._messages):
            self._connection.act(self._action(self._sensors, wanted))
            self._sensors = self._connection.sensors()
            episode.add(self._sensors)
            if episode.failed or (episode.lap is not None and episode.laps == self._laps):
                break
        return self._sensors

    def _action(self, sensors: Sensors, wanted: tuple[float, ...]) -> Action:
        throttle, brake = max(0.0, wanted[1]), max(0.0, -wanted[1])
        if self._driver_aids:
            speed = sensors.number("speedX") * METRES_PER_SECOND
            spins = sensors.numbers("wheelSpinVel", 4)
            throttle = self._aids.throttle(throttle, speed, spins)
            brake = self._aids.brake(brake, speed, spins)
        if self._automatic:
            gear = self._gearbox.shift(round(sensors.number("gear")), sensors.number("rpm"))
        else:
            gear = 1 + min(self._gearbox.gears - 1, math.floor(0.5 * (wanted[2] + 1.0) * self._gearbox.gears))
        return Action(steer=wanted[0], accelerate=throttle, brake=brake, gear=gear)
