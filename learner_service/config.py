"""Settings of the learner: each field is a flag of `python -m learner_service`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from distrib_l2r.environment import ArgumentValue, encode_arguments
from distrib_l2r.limits import DEFAULT_PORT
from distrib_l2r.v1 import join_pb2
from learner_service.credit import DEFAULT_MAX_IN_FLIGHT_BYTES
from learner_service.metrics_address import parse_address
from learner_service.mirrored.config import MirroredConfig
from learner_service.sac.config import SACConfig

EVALUATION_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Racetrack-v0": ("start=random", "laps=3"),
    "Torcs-v0": ("start=random", "laps=1"),
}
"""What evaluators of racing environments drive, unless told otherwise: flying laps from each start."""

SAC_UPDATES: Final[Mapping[str, int]] = {"Racetrack-v0": 40_000}
"""After so many updates mirrored pairs take over, unless told otherwise; elsewhere never."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentConfig:
    """What workers build."""

    env: str = "Racetrack-v0"
    """A Gymnasium id that the workers can make; "module:id" where a module registers it."""
    env_args: tuple[str, ...] = ()
    """Keyword arguments of the environment, each name=value."""
    evaluation_env_args: tuple[str, ...] | None = None
    """Arguments that replace those for evaluators; if not given, Racetrack-v0 drives 3 flying laps from each start and
    Torcs-v0 one."""

    @property
    def id_alone(self) -> str:
        """Without the module that registers it."""
        return self.env.rpartition(":")[2]

    def message(self) -> join_pb2.Environment:
        """For `JoinRun`.

        Raises:
            ValueError: an argument is not name=value.
        """
        evaluation = self.evaluation_env_args
        if evaluation is None:
            evaluation = EVALUATION_ARGUMENTS.get(self.id_alone, ())
        return join_pb2.Environment(
            id=self.env,
            arguments=encode_arguments(parse_arguments(self.env_args)),
            evaluation_arguments=encode_arguments(parse_arguments(evaluation)),
        )


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """How fast data comes in and weights go out."""

    replay_capacity: int = 1_000_000
    """Rows of replay: transitions and, for each chunk, one more."""
    min_transitions: int = 2_000
    """Transitions in replay before training begins."""
    samples_per_insert_min: float = 16.0
    """Workers get no credit while fewer samples than this were drawn for each transition; 0 never withholds it."""
    samples_per_insert_max: float = 512.0
    """The trainer waits while more samples than this were drawn for each transition."""
    chunk_length: int = 64
    """Steps in a trajectory chunk."""
    max_in_flight_chunks: int = 8
    """Most unacknowledged chunks a worker."""
    max_in_flight_bytes: int = DEFAULT_MAX_IN_FLIGHT_BYTES
    """Most bytes of chunks in flight from all workers together."""
    publish_period_seconds: float = 1.0
    """Shortest time between two policy versions."""

    def __post_init__(self) -> None:
        for name, least in (
            ("chunk_length", 2),
            ("max_in_flight_chunks", 1),
            ("min_transitions", 1),
            ("max_in_flight_bytes", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.replay_capacity <= self.min_transitions + self.chunk_length:
            raise ValueError(
                f"replay_capacity is {self.replay_capacity}; it must exceed min_transitions and a chunk, "
                f"{self.min_transitions} + {self.chunk_length}, or training never begins"
            )
        if not 0 <= self.samples_per_insert_min < self.samples_per_insert_max:
            raise ValueError(
                f"samples_per_insert_min is {self.samples_per_insert_min:g} and samples_per_insert_max "
                f"{self.samples_per_insert_max:g}; the minimum must be at least 0 and below the maximum"
            )
        if not self.publish_period_seconds >= 0:
            raise ValueError(f"publish_period_seconds is {self.publish_period_seconds}; it must be at least 0")


@dataclass(frozen=True, kw_only=True)
class ExplorationConfig:
    """The ladder of exploration: worker i takes rung i modulo the ladder's length."""

    scales: tuple[float, ...] = (1.0, 1.0, 0.7, 1.3)
    """Factors on the policy's own noise."""
    hold_steps: tuple[int, ...] = (8, 5, 6, 3)
    """Steps for which one draw of noise is held: the next steps undo what one changes, but not what several change."""

    def __post_init__(self) -> None:
        if not self.scales or not self.hold_steps:
            raise ValueError("scales or hold_steps is empty; each needs at least one rung")
        if min(self.scales) < 0 or min(self.hold_steps) < 1:
            raise ValueError(
                f"scales are {self.scales} and hold_steps {self.hold_steps}; scales are at least 0, steps at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class StorageConfig:
    """What outlives the learner, and how soon it is on the disk."""

    replay_dir: Path | None = None
    """Where replay lives, such as a fast local disk; the run directory's folder replay if not given."""
    memory_only: bool = False
    """Keep replay in memory alone: a learner that dies takes it along, and workers begin new sessions."""
    sync_period_seconds: float = 5.0
    """A power loss may take what was acknowledged in so many seconds; 0 leaves it to the kernel, about 30 s. A process
    that dies loses nothing either way."""
    checkpoint_period_seconds: float = 30.0
    """Between two checkpoints: so much training a learner that dies may have to do again."""
    checkpoints_kept: int = 3
    """Newest checkpoints that stay."""

    def __post_init__(self) -> None:
        if not self.sync_period_seconds >= 0:
            raise ValueError(f"sync_period_seconds is {self.sync_period_seconds}; it must be at least 0")
        if not self.checkpoint_period_seconds > 0:
            raise ValueError(f"checkpoint_period_seconds is {self.checkpoint_period_seconds}; it must be above 0")
        if self.checkpoints_kept < 1:
            raise ValueError(f"checkpoints_kept is {self.checkpoints_kept}; it must be at least 1")
        if self.memory_only and self.replay_dir is not None:
            raise ValueError(f"memory_only and replay_dir {self.replay_dir} exclude each other: leave one out")


@dataclass(frozen=True, kw_only=True)
class TransportConfig:
    """Where the learner listens and whom it trusts."""

    host: str = "127.0.0.1"
    """Address to bind. Without TLS or a token anybody who reaches it can push data, hence loopback."""
    port: int = DEFAULT_PORT
    """TCP port; 0 takes a free one."""
    address_file: Path | None = None
    """Written once the learner serves: JSON with its address and process id."""
    tls_certificate: Path | None = None
    """PEM certificate chain; with tls_key it switches TLS on."""
    tls_key: Path | None = None
    """PEM private key."""
    tls_client_ca: Path | None = None
    """PEM roots; with it only clients with a certificate of theirs get in."""
    token_file: Path | None = None
    """A file with the bearer token that every call must carry."""
    metrics_address: str = ""
    """HOST:PORT where metrics are served over plain HTTP, in Prometheus' text format; nowhere where empty."""

    def __post_init__(self) -> None:
        if self.metrics_address:
            parse_address(self.metrics_address)


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """A learner: what it trains, on what, and where it listens."""

    environment: EnvironmentConfig = field(default_factory=EnvironmentConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    exploration: ExplorationConfig = field(default_factory=ExplorationConfig)
    transport: TransportConfig = field(default_factory=TransportConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    mirrored: MirroredConfig = field(default_factory=MirroredConfig)
    run_dir: Path | None = None
    """Where replay, checkpoints, progress, evaluations and the best policy are kept. A learner given the directory of
    an earlier one goes on where that ended. Nothing is kept if not given."""
    run_id: str = ""
    """Names the run; the run directory's name, or "run", where empty."""
    seed: int = 0
    """Seeds networks, sampling, and through assignments every worker."""
    evaluation_episodes: int = 5
    """Episodes that evaluate a version."""
    torch_threads: int = 1
    """Threads a torch operation; more than one is slower on busy machines."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe messages on standard error."""

    def __post_init__(self) -> None:
        if self.evaluation_episodes < 1:
            raise ValueError(f"evaluation_episodes is {self.evaluation_episodes}; it must be at least 1")
        if self.run_dir is None and self.storage.replay_dir is not None:
            raise ValueError(f"replay_dir is {self.storage.replay_dir}, and run_dir is missing: give --run-dir too")

    @property
    def mirrored_after_updates(self) -> int:
        """Updates of SAC after which mirrored pairs take over; 0: never."""
        given = self.mirrored.mirrored_after_updates
        return SAC_UPDATES.get(self.environment.id_alone, 0) if given is None else given


def parse_arguments(arguments: tuple[str, ...]) -> Mapping[str, ArgumentValue]:
    """name=value texts as typed values: true, false, whole numbers, numbers, else text.

    Raises:
        ValueError: a text has no "=".
    """
    values: dict[str, ArgumentValue] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not (name and equals):
            raise ValueError(f"environment argument {argument!r} is not name=value; write for example track=harbour")
        values[name] = _value(text)
    return values


def _value(text: str) -> ArgumentValue:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
