"""Options of the planner: each field is a flag of `python -m deploy.plan`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from deploy.plan.base import BASE
from deploy.plan.demand import Kind, LearnerShares
from deploy.plan.node import GPU
from deploy.plan.plan_error import PlanError
from deploy.plan.run_name import check_run


@dataclass(frozen=True, kw_only=True)
class Config:
    """Lays a run's learner and workers onto the GPUs of a cluster and writes a kustomize overlay of it."""

    nodes: Path
    """YAML or JSON: the output of "kubectl get nodes -o json", or a list as described above; - for standard input."""
    run: str
    """The run's name, before all names and in all selectors."""
    workers: int
    """Collecting workers."""
    workers_per_gpu: int = 3
    """The most workers on a GPU; fewer where the device plugin shares it fewer times."""
    learner_gpus: int = 1
    """The learner's own GPUs; 0: it trains on the CPU, wherever there is room."""
    evaluator_gpu: bool = False
    """Whether the evaluator's simulator needs a GPU as well: it takes a worker's place."""
    out: Path | None = None
    """The run's folder; deploy/runs/RUN beside the base if not given."""
    force: bool = False
    """Write it although it does not fit: who has no place stays Pending."""
    kind: Kind | None = None
    """Request the device plugin's shares, or pin pods to GPUs; if not given: shared where any usable node shares."""
    replicas: int | None = None
    """Pods that the device plugin lets onto each GPU, for nodes of kubectl whose labels do not say."""
    learner_shares: LearnerShares = LearnerShares.ALL
    """Shares that the learner requests where GPUs are shared: all of its node, or one (failRequestsGreaterThanOne)."""
    tolerate: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Key of a taint that pods tolerate besides nvidia.com/gpu; may be given again."""
    runtime_class: str | None = None
    """RuntimeClass of pods on GPUs, such as nvidia, where it is not the cluster's default."""
    worker_cpu: str | None = None
    """CPU that a worker requests, such as 500m; the base's if not given."""
    worker_memory: str | None = None
    """Memory that a worker requests, such as 2Gi; the base's if not given."""
    learner_cpu: str | None = None
    """CPU that the learner requests; the base's if not given."""
    learner_memory: str | None = None
    """Memory that the learner requests; the base's if not given."""
    base: Path = BASE
    """The kustomize base of a run."""

    def __post_init__(self) -> None:
        check_run(self.run)
        if self.workers < 1:
            raise PlanError(f"workers is {self.workers}; it must be at least 1: give for example --workers 24")
        if self.workers_per_gpu < 1:
            raise PlanError(
                f"workers_per_gpu is {self.workers_per_gpu}; it must be at least 1: give --workers-per-gpu 3"
            )
        if self.learner_gpus < 0:
            raise PlanError(f"learner_gpus is {self.learner_gpus}; it must be at least 0: give --learner-gpus 1")
        if self.replicas is not None and self.replicas < 1:
            raise PlanError(f"replicas is {self.replicas}; it must be at least 1: give for example --replicas 3")
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise PlanError(f"out {self.out} is a file; it must be a folder, new or there: give another --out")

    @property
    def folder(self) -> Path:
        """Where the overlay goes."""
        return self.base.parent / "runs" / self.run if self.out is None else self.out

    @property
    def tolerated(self) -> tuple[str, ...]:
        """Keys of all taints that pods on GPUs tolerate, each once."""
        return tuple(dict.fromkeys((GPU, *self.tolerate)))
