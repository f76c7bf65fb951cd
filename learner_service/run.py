"""A run: everything the learner's threads share, and the way of a chunk through it."""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from distrib_l2r.limits import MAX_MESSAGE_BYTES
from distrib_l2r.policy import PolicyVersion
from distrib_l2r.spaces import Spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from distrib_l2r.v1 import join_pb2
from learner_service.checkpoint.directory import Checkpoint
from learner_service.config import LearnerConfig
from learner_service.evaluation import Evaluation, Evaluations, LapRecord
from learner_service.make_policy import make_policy
from learner_service.policy import Policy
from learner_service.replay.ring import ReplayRing
from learner_service.run_state import about_run, run_state, take_up
from learner_service.session import Session
from learner_service.storage import Storage
from learner_service.training import Training

_logger = logging.getLogger(__name__)

MAX_SESSIONS = 10_000
"""Sessions remembered; beyond that the one away for longest is forgotten, and with it what it had committed."""


def staleness_bucket(versions_behind: int) -> int:
    """The bar of the staleness histogram that counts this age: 0, 1, 2, 4, 8, ..., its largest age."""
    return 0 if versions_behind == 0 else 1 << (versions_behind - 1).bit_length()


class TooManySessionsError(RuntimeError):
    """Every session that the learner can remember is streaming."""


class Run:
    """One run, in one learner process; with a directory it goes on where an earlier process ended.

    Args:
        config: of the learner.
        policy: an algorithm of the user's own; SAC in the first worker's spaces without it.

    Raises:
        OSError: the run's directory cannot be used.
        ValueError: what it holds does not fit `config` or `policy`; the message says what, and what to do.
    """

    def __init__(self, config: LearnerConfig, policy: Policy | None = None) -> None:
        self.config = config
        self.environment = config.environment.message()
        self.run_id = config.run_id or (config.run_dir.name if config.run_dir else "run")
        self.evaluations = Evaluations(episodes_per_version=config.evaluation_episodes)
        self.best_policy: tuple[PolicyVersion, Evaluation] | None = None
        self.sessions: dict[str, Session] = {}
        self.staleness: Counter[int] = Counter()
        self.started_at = time.time()
        self.training: Training | None = None
        self.training_seconds_before = 0.0
        """Of earlier processes."""
        self.aborted_episodes = 0
        self.on_change: Callable[[], None] = lambda: None
        """Called from any thread when workers should hear news."""
        self.storage = Storage(config.run_dir, config.storage, MAX_SESSIONS) if config.run_dir else None
        self._session_table = self.storage.sessions if self.storage is not None else None
        # Durations by a clock that nobody sets.
        self._started = time.monotonic()
        self._first_transition: float | None = None
        self._joined = 0
        self._begin_lock = threading.Lock()
        self._checkpoint: Checkpoint | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._go_on(policy)
            undo.pop_all()

    def begin(self, spaces: Spaces, policy: Policy | None = None) -> Training:
        """Starts training in these spaces, unless it has begun already. Takes seconds; safe from any thread.

        Raises:
            OSError: replay's files cannot be made.
            ValueError: what the run's directory holds does not fit.
        """
        with self._begin_lock:
            if self.training is None:
                policy = policy or make_policy(spaces, self.config)
                training = Training(policy, self.config, storage=self.storage, on_flow_change=self._tell)
                self._match_sessions(training.ring)
                self.training = training
                try:
                    if self._checkpoint is not None:
                        take_up(self, self._checkpoint)
                except ValueError:
                    self.training = None
                    raise
                training.trainer.publish()
                training.store.on_publish = self._tell
                training.trainer.on_failure = self._tell
                training.trainer.checkpoint = self.keep
                training.trainer.start()
                self._say_begun(training, self._checkpoint)
                self._checkpoint = None
                self._tell()
            return self.training

    def keep(self) -> bool:
        """Hands a checkpoint of this instant to its writer; False where the one before is still being written.

        Called where no update runs: by the trainer, or after its end.
        """
        if self.storage is None:
            return True
        if not self.storage.writer.await_idle(0):
            return False
        return self.storage.writer.submit(run_state(self), about_run(self))

    @property
    def wall_seconds(self) -> float:
        """Since the learner began to serve."""
        return time.monotonic() - self._started

    @property
    def training_seconds(self) -> float:
        """Since the first training transition, without the time between learners; 0 before it."""
        here = time.monotonic() - self._first_transition if self._first_transition is not None else 0.0
        return self.training_seconds_before + here

    def join(self, session_id: str, worker_name: str, role: join_pb2.Role.ValueType) -> Session:
        """The session with this id, made if it is new.

        Raises:
            TooManySessionsError: there is no room for another.
        """
        session = self.sessions.get(session_id)
        if session is None:
            if len(self.sessions) >= MAX_SESSIONS:
                self._forget_idlest()
            session = Session(session_id, worker_name, self._assignment(role))
            if self._session_table is not None:
                self._session_table.add(session)
            self.sessions[session_id] = session
            self._joined += 1
            _logger.info("%s joined as worker %d", worker_name, session.assignment.index)
        return session

    def commit(self, session: Session, chunk: TrajectoryChunk) -> None:
        """Takes in one checked chunk whose sequence is the session's next. Called on the server's event loop."""
        training = self.training
        assert training is not None, "a chunk can only be decoded once spaces are known"
        if chunk.purpose is Purpose.TRAINING:
            training.ring.add(session.number, chunk)
            training.pairs.add(session.number, chunk)
            if self._first_transition is None:
                self._first_transition = time.monotonic()
            training.limiter.insert(chunk.length)
            versions_behind = max(training.store.newest_version - chunk.policy_version, 0)
            self.staleness[staleness_bucket(versions_behind)] += chunk.length
        session.count(chunk)
        if self._session_table is not None:
            self._session_table.commit(session)
        if chunk.ending is Ending.ABORTED:
            self.aborted_episodes += 1
        if chunk.summary is not None:
            self._report_episode(session, chunk)

    def close(self) -> None:
        """Puts everything on the disk and lets go of it."""
        if self.storage is not None:
            self.storage.close()

    def limits(self) -> join_pb2.Limits:
        """For `JoinRun`."""
        return join_pb2.Limits(
            chunk_length=self.config.flow.chunk_length,
            max_in_flight_chunks=self.config.flow.max_in_flight_chunks,
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_message_chunks=self.config.flow.max_in_flight_chunks,
            leaving_chunks=self.training.in_flight.leaving_chunks if self.training is not None else 0,
        )

    def _tell(self) -> None:
        self.on_change()

    def _go_on(self, policy: Policy | None) -> None:
        """Begins as far as what is known allows: the policy's spaces, or those of an earlier learner's replay."""
        if self.storage is not None:
            self._checkpoint = self.storage.checkpoints.newest()
            for session in self._session_table.read() if self._session_table is not None else ():
                self.sessions[session.session_id] = session
                self._joined = max(self._joined, session.number)
                self.aborted_episodes += session.aborted_episodes
        kept = self.storage.replay.spaces if self.storage is not None and self.storage.replay else None
        if policy is not None:
            mismatch = kept.mismatch(policy.spaces) if kept is not None else None
            if mismatch is not None:
                raise ValueError(f"{mismatch}, as replay in {self.config.run_dir} holds it: give another --run-dir")
            self.begin(policy.spaces, policy)
        elif kept is not None:
            self.begin(kept)

    def _match_sessions(self, ring: ReplayRing) -> None:
        """Brings sessions up to what replay holds: the chunk committed last may not have been noted in its session."""
        by_number = {session.number: session for session in self.sessions.values()}
        newest = ring.recovered.newest
        for record in (*ring.recovered.records, *([newest] if newest else [])):
            self._joined = max(self._joined, record.session)
            session = by_number.get(record.session)
            if session is not None and record.sequence > session.committed_sequence:
                session.count_recovered(record)
        if self._session_table is not None:
            for session in by_number.values():
                self._session_table.commit(session)

    def _say_begun(self, training: Training, checkpoint: Checkpoint | None) -> None:
        if self.storage is not None and self.storage.counters["starts"] > 1:
            _logger.info(
                "run %s goes on: %d transitions in replay, %d sessions, %d updates (%s), version %d",
                self.run_id,
                training.ring.transitions,
                len(self.sessions),
                training.trainer.updates,
                f"checkpoint {checkpoint.number}" if checkpoint else "no checkpoint",
                training.store.newest_version,
            )
        _logger.info(
            "run %s: observation %s, action %s; policy graph %s",
            self.run_id,
            {name: str(box) for name, box in training.spaces.observation.items()},
            training.spaces.action,
            training.store.fingerprint[:12],
        )

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
        if chunk.ending is Ending.ABORTED:
            # How far the simulator got before it failed says nothing about the version.
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
        if idlest is None:
            raise TooManySessionsError(
                f"{len(self.sessions)} sessions are streaming; a learner takes {MAX_SESSIONS}: start another run"
            )
        del self.sessions[idlest.session_id]
        if self._session_table is not None:
            self._session_table.forget(idlest)
        if self.training is not None:
            self.training.ring.forget(idlest.number)
            self.training.store.unpin(idlest.session_id)
