"""What is to be placed."""

from dataclasses import dataclass
from enum import StrEnum

from deploy.plan.quantity import cores, mebibytes


class Kind(StrEnum):
    """How pods come to their GPUs."""

    SHARED = "shared"
    """The device plugin shares them: each pod requests one share, Kubernetes counts."""
    PINNED = "pinned"
    """Each pod names its node and GPU; the plan alone counts."""


class LearnerShares(StrEnum):
    """What a learner requests on a node of its own whose GPUs are shared."""

    ALL = "all"
    """All shares of the node: Kubernetes lets no other pod onto its GPUs."""
    ONE = "one"
    """One, where the plugin refuses more (`failRequestsGreaterThanOne`): only this run's workers are kept away."""


@dataclass(frozen=True)
class Requests:
    """What a pod reserves besides GPUs."""

    cpu: int
    """Millicores."""
    memory: int
    """Bytes."""

    def __str__(self) -> str:
        return f"{cores(self.cpu)} CPU and {mebibytes(self.memory)}"


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Raises nothing; the options are checked where they are read."""

    workers: int
    workers_per_gpu: int
    learner_gpus: int
    """0: the learner trains on a CPU, anywhere."""
    evaluators: int = 0
    """Evaluators whose simulator needs a GPU; each takes a worker's place."""
    worker: Requests
    """Of a worker's or an evaluator's place."""
    learner: Requests
    learner_shares: LearnerShares = LearnerShares.ALL

    @property
    def seats(self) -> int:
        """Places asked for on shared GPUs."""
        return self.workers + self.evaluators
