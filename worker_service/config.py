"""Settings of a worker: each field is a flag of `python -m worker_service`."""

import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from distrib_l2r.limits import DEFAULT_PORT

MOST_ENVIRONMENTS: Final = 1000
"""Of one worker: so many seeds are its own."""


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """A worker: whom it works for, and as what. All else comes from the learner."""

    learner: str = f"localhost:{DEFAULT_PORT}"
    """The learner's HOST:PORT."""
    role: Literal["collect", "evaluate"] = "collect"
    """Collect training data, or drive the deterministic policy and report how it does."""
    name: str = field(default_factory=socket.gethostname)
    """How the learner's status names this worker; a pod's name is a good one."""
    envs_per_worker: int = 1
    """Environments that this process steps in turn, with one act for all: for simulators that are faster than it."""
    env_wrapper: str | None = None
    """package.module:callable that wraps the environment, Gymnasium environment in and out."""
    buffer_chunks: int = 16
    """Most chunks kept until the learner acknowledges them; with it full the worker stops stepping."""
    step_deadline_seconds: float = 30.0
    """A simulator whose step takes longer hangs: the episode is aborted there and this process begins anew."""
    reset_deadline_seconds: float = 300.0
    """The same for a reset, for making and closing the environment, and for its first step, which may still load."""
    record: Path | None = None
    """Takes recordings of episodes, an HDF5 file each (see worker_service.recorded_episode)."""
    record_every: int = 1
    """Of so many episodes one is recorded."""
    tls: bool = False
    """Use TLS, trusting the system's roots or tls_ca."""
    tls_ca: Path | None = None
    """PEM roots that sign the learner's certificate; implies TLS."""
    tls_certificate: Path | None = None
    """PEM certificate chain of this worker, for mutual TLS."""
    tls_key: Path | None = None
    """PEM private key of tls_certificate."""
    token_file: Path | None = None
    """A file with the bearer token that the learner demands."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe messages on standard error."""

    def __post_init__(self) -> None:
        if self.buffer_chunks < 1:
            raise ValueError(f"buffer_chunks is {self.buffer_chunks}; it must be at least 1")
        if not 1 <= self.envs_per_worker <= MOST_ENVIRONMENTS:
            raise ValueError(f"envs_per_worker is {self.envs_per_worker}; it must be from 1 to {MOST_ENVIRONMENTS}")
        if self.role == "evaluate" and self.envs_per_worker > 1:
            raise ValueError(
                f"envs_per_worker is {self.envs_per_worker}; an evaluator drives one environment, so that the same "
                "laps come out when its policy is driven again: start more evaluators instead"
            )
        if self.record_every < 1:
            raise ValueError(f"record_every is {self.record_every}; it must be at least 1")
        for name in ("step_deadline_seconds", "reset_deadline_seconds"):
            if not 0 < getattr(self, name) < threading.TIMEOUT_MAX:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0 and finite")
