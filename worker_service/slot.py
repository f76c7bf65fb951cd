"""A slot: one environment of a worker, and the episode under way in it."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping

from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from worker_service.chunk_builder import ChunkBuilder
from worker_service.episode import EpisodeRecord
from worker_service.exploration import HeldNoise
from worker_service.mirror import Mirror
from worker_service.restarts import Restarts
from worker_service.simulator import Simulator, SimulatorFailedError

_logger = logging.getLogger(__name__)


class Slot:
    """Steps its environment, records what happens, and hands it over chunk by chunk.

    An environment that fails ends its episode as aborted; it rests for a while and is made anew.

    Args:
        simulator: made already, or not yet.
        restarts: counts the worker's failures.
        hand_over: takes each chunk.
        chunk_length: most steps of a chunk.
        episode_ids: see `ChunkBuilder`; shared by the slots of a worker.
        told: see `EpisodeRecord`; likewise shared.
    """

    def __init__(
        self,
        simulator: Simulator,
        restarts: Restarts,
        hand_over: Callable[[TrajectoryChunk], None],
        *,
        purpose: Purpose,
        chunk_length: int,
        episode_ids: Iterator[int],
        told: set[str],
    ) -> None:
        self._simulator = simulator
        self._restarts = restarts
        self._put = hand_over
        self._told = told
        self._builder = ChunkBuilder(
            simulator.spaces, chunk_length=chunk_length, purpose=purpose, episode_ids=episode_ids
        )
        self._record = EpisodeRecord(told)
        self._rests_until = 0.0
        self._mirror = Mirror(0)
        self.noise: HeldNoise | None = None
        """Explores; None acts deterministically."""
        self.driving = False
        """Whether an episode is under way."""
        self.columns: Mapping[str, Array] = {}
        """The newest observation of the episode under way."""

    @property
    def length(self) -> int:
        """Steps gathered since the last chunk."""
        return self._builder.length

    @property
    def rest_seconds(self) -> float:
        """How long to wait yet before the environment, which failed, is made anew."""
        return max(self._rests_until - time.monotonic(), 0.0)

    @property
    def in_pair(self) -> bool:
        """Whether an episode of a pair is under way, or its mirror image is to come."""
        return self._mirror.in_pair

    def begin_pairs(self, seed: int) -> None:
        """Draws the seeds of pairs from this one."""
        self._mirror = Mirror(seed)

    def begin_of_pair(self, noise_factor: float, policy_version: int) -> bool:
        """Begins an episode of a mirrored pair; see `begin`."""
        assert self.noise is not None, "only who explores drives pairs"
        seed, mirror_of = self._mirror.next(self.noise, noise_factor)
        return self.begin(seed, policy_version, mirror_of)

    def begin(self, seed: int | None, policy_version: int, mirror_of: int = 0) -> bool:
        """Begins an episode; False where the environment failed.

        Raises:
            CallExpiredError: the simulator hung, and somebody else has taken over.
        """
        try:
            if not self._simulator.made:
                self._simulator.make()
            self.columns = self._simulator.reset(seed)
        except SimulatorFailedError as error:
            self.fail(error)
            return False
        self._record = EpisodeRecord(self._told)
        self._builder.begin_episode(self.columns, policy_version, mirror_of)
        self.driving = True
        return True

    def step(self, action: Array, policy_version: int) -> None:
        """Takes a step; `driving` is False afterwards where it was the episode's last.

        Args:
            action: within the bounds.
            policy_version: chose it.

        Raises:
            CallExpiredError: the simulator hung, and somebody else has taken over.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        builder = self._builder
        try:
            columns, reward, terminated, truncated, info = self._simulator.step(action)
        except SimulatorFailedError as error:
            self.fail(error)
            return
        # Only now, so that an episode which fails at any step still has steps to carry the notice.
        if builder.full or builder.policy_version != policy_version:
            self._seal(Ending.CONTINUES, next_policy_version=policy_version)
        self.columns = columns
        builder.add(action, reward, columns)
        if "lap" in info or "metrics" in info:
            self._record.add(info)
        if terminated or truncated:
            self.driving = False
            self._mirror.ended(self._builder.episode_id)
            self._seal(Ending.TERMINATED if terminated else Ending.TRUNCATED)

    def fail(self, error: SimulatorFailedError) -> None:
        """Aborts the episode under way, if there is one; the environment rests, and is made anew by `begin`.

        Raises:
            CallExpiredError: closing it hung, and somebody else has taken over.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        self.leave(str(error))
        seconds = self._restarts.add()
        _logger.error(
            "the simulator failed (%s); making it anew in %.1f s, restart %d",
            error,
            seconds,
            self._restarts.total,
            exc_info=error,
        )
        self._rests_until = time.monotonic() + seconds
        self._simulator.close()

    def leave(self, abort_reason: str = "") -> None:
        """Hands over the steps gathered so far, if any: with a reason as the end of an episode that failed.

        On any thread, where the one that drives is stuck in the simulator for good.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        driving, self.driving = self.driving, False
        self._mirror.broken()
        if driving and self._builder.length:
            self._seal(Ending.ABORTED if abort_reason else Ending.CONTINUES, abort_reason=abort_reason)

    def close(self) -> None:
        """Closes the environment.

        Raises:
            CallExpiredError: it hung, and somebody else has taken over.
        """
        self._simulator.close()

    def _seal(self, ending: Ending, *, next_policy_version: int = 0, abort_reason: str = "") -> None:
        self._put(
            self._builder.seal(
                ending,
                next_policy_version=next_policy_version,
                record=self._record,
                abort_reason=abort_reason,
                simulator_restarts=self._restarts.total,
            )
        )
