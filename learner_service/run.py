"""A run: everything the learner's threads share, and the way of a chunk through it."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from distrib_l2r.limits import MAX_MESSAGE_BYTES
from distrib_l2r.policy import PolicyVersion
from distrib_l2r.spaces import Spaces
from distrib_l2r.trajectory import Purpose, TrajectoryChunk
from distrib_l2r.v1 import join_pb2
from learner_service.actor_export import actor_weights, export_actor
from learner_service.config import LearnerConfig
from learner_service.evaluation import Evaluation, Evaluations, LapRecord
from learner_service.policy import Policy
from learner_service.policy_store import PolicyStore
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.replay.samples_per_insert import SamplesPerInsert
from learner_service.sac.sac import SAC
from learner_service.session import Session
from learner_service.trainer import Trainer

_logger = logging.getLogger(__name__)

MAX_SESSIONS = 10_000
"""Sessions remembered; beyond that the one away for longest is forgotten, and with it what it had committed."""


def staleness_bucket(versions_behind: int) -> int:
    """The bar of the staleness histogram that counts this age: 0, 1, 2, 4, 8, ..., its largest age."""
    return 0 if versions_behind == 0 else 1 << (versions_behind - 1).bit_length()


class Training:
    """What exists once the run's spaces are known: policy, replay, trainer and published versions."""

    def __init__(self, policy: Policy, config: LearnerConfig, on_flow_change: Callable[[], None]) -> None:
        self.spaces = policy.spaces
        self.policy = policy
        sampling = policy.sampling
        self.ring = ReplayRing(policy.spaces, capacity=config.flow.replay_capacity)
        self.limiter = SamplesPerInsert(
            batch_size=sampling.batch_size,
            minimum=config.flow.samples_per_insert_min,
            maximum=config.flow.samples_per_insert_max,
            min_transitions=max(config.flow.min_transitions, sampling.batch_size),
        )
        self.limiter.on_change = on_flow_change
        self.store = PolicyStore(export_actor(policy.actor, policy.spaces))
        self.trainer = Trainer(
            policy,
            Sampler(self.ring, sampling, seed=config.seed),
            self.limiter,
            self.store,
            publish_period_seconds=config.flow.publish_period_seconds,
        )


class Run:
    """One run of one learner process."""

    def __init__(self, config: LearnerConfig, policy: Policy | None = None) -> None:
        self.config = config
        self.environment = config.environment.message()
        self.run_id = config.run_id or (config.run_dir.name if config.run_dir else "run")
        self.evaluations = Evaluations(episodes_per_version=config.evaluation_episodes)
        self.best_policy: tuple[PolicyVersion, Evaluation] | None = None
        self.sessions: dict[str, Session] = {}
        self.staleness: Counter[int] = Counter()
        self.started_at = time.time()
        self.first_transition_at: float | None = None
        self.training: Training | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called from any thread when workers should hear news."""
        self._joined = 0
        self._begin_lock = threading.Lock()
        if policy is not None:
            self.begin(policy.spaces, policy)

    def begin(self, spaces: Spaces, policy: Policy | None = None) -> Training:
        """Starts training in these spaces, unless it has begun already. Takes seconds; safe from any thread."""
        with self._begin_lock:
            if self.training is None:
                policy = policy or SAC(spaces, self.config.sac, seed=self.config.seed)
                training = Training(policy, self.config, self._tell)
                training.store.publish(actor_weights(policy.actor), training_step=0)
                training.store.on_publish = self._tell
                training.trainer.on_failure = self._tell
                self.training = training
                training.trainer.start()
                _logger.info(
                    "run %s: observation %s, action %s; policy graph %s",
                    self.run_id,
                    {name: str(box) for name, box in policy.spaces.observation.items()},
                    policy.spaces.action,
                    training.store.fingerprint[:12],
                )
                self._tell()
            return self.training

    @property
    def wall_seconds(self) -> float:
        """Since the learner began to serve."""
        return time.time() - self.started_at

    @property
    def training_seconds(self) -> float:
        """Since the first training transition; 0 before it."""
        return time.time() - self.first_transition_at if self.first_transition_at else 0.0

    def join(self, session_id: str, worker_name: str, role: join_pb2.Role.ValueType) -> Session:
        """The session with this id, made if it is new."""
        session = self.sessions.get(session_id)
        if session is None:
            if len(self.sessions) >= MAX_SESSIONS:
                self._forget_idlest()
            session = Session(session_id, worker_name, self._assignment(role))
            self.sessions[session_id] = session
            self._joined += 1
            _logger.info("%s joined as worker %d", worker_name, session.assignment.index)
        return session

    def commit(self, session: Session, chunk: TrajectoryChunk) -> None:
        """Takes in one checked chunk whose sequence is the session's next. Called on the server's event loop."""
        training = self.training
        assert training is not None, "a chunk can only be decoded once spaces are known"
        if chunk.purpose is Purpose.TRAINING:
            training.ring.add(session.session_id, chunk)
            if self.first_transition_at is None:
                self.first_transition_at = time.time()
            training.limiter.insert(chunk.length)
            versions_behind = max(training.store.newest_version - chunk.policy_version, 0)
            self.staleness[staleness_bucket(versions_behind)] += chunk.length
        session.count(chunk)
        if chunk.summary is not None:
            self._report_episode(session, chunk)

    def credit(self, session: Session) -> int:
        """Chunks that may be in flight for a session."""
        most = self.config.flow.max_in_flight_chunks
        if self.training is None or session.evaluates:
            return most
        collecting = sum(1 for other in self.sessions.values() if other.stream is not None and not other.evaluates)
        share = self.training.limiter.allowance() / max(collecting, 1)
        # Rounded up: a whole chunk is the least that can be sent, and the next acknowledgement corrects it.
        return min(most, int(-(-share // self.config.flow.chunk_length)))

    def limits(self) -> join_pb2.Limits:
        """For `JoinRun`."""
        return join_pb2.Limits(
            chunk_length=self.config.flow.chunk_length,
            max_in_flight_chunks=self.config.flow.max_in_flight_chunks,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )

    def _tell(self) -> None:
        self.on_change()

    def _assignment(self, role: join_pb2.Role.ValueType) -> join_pb2.Assignment:
        index = self._joined
        ladder = self.config.exploration
        collecting = sum(1 for session in self.sessions.values() if not session.evaluates)
        return join_pb2.Assignment(
            index=index,
            role=role or join_pb2.ROLE_COLLECT,
            exploration_scale=ladder.scales[collecting % len(ladder.scales)],
            exploration_hold_steps=ladder.hold_steps[collecting % len(ladder.hold_steps)],
            # All evaluators drive from the same starts. Collectors' seeds lie far apart, so that a worker may use the
            # numbers after its own as well.
            seed=self.config.seed if role == join_pb2.ROLE_EVALUATE else (self.config.seed * 100_003 + index) * 1_009,
            evaluation_episodes=self.evaluations.episodes_per_version,
        )

    def _report_episode(self, session: Session, chunk: TrajectoryChunk) -> None:
        summary = chunk.summary
        assert summary is not None
        wall = self.training_seconds
        laps = [
            LapRecord(lap=lap, policy_version=chunk.policy_version, wall_seconds=wall, worker_name=session.worker_name)
            for lap in summary.laps
        ]
        if chunk.purpose is Purpose.TRAINING:
            self.evaluations.add_training_laps(laps)
            return
        policy = self.training.store.find(chunk.policy_version) if self.training else None
        is_best = self.evaluations.add_episode(
            chunk.policy_version,
            summary,
            laps,
            wall_seconds=wall,
            training_step=policy.training_step if policy else 0,
        )
        evaluation = self.evaluations.best
        if is_best and policy is not None and evaluation is not None:
            self.best_policy = (policy, evaluation)
            _logger.info("version %d is the best so far: %s", policy.version, evaluation.sentence)

    def _forget_idlest(self) -> None:
        away = [session for session in self.sessions.values() if session.stream is None]
        idlest = min(away, key=lambda session: session.heard_at, default=None)
        if idlest is not None:
            del self.sessions[idlest.session_id]
            if self.training is not None:
                self.training.ring.forget(idlest.session_id)
                self.training.store.unpin(idlest.session_id)
