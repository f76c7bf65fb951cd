"""Lays a run's learner and workers onto the GPUs of a cluster and writes a kustomize overlay of it.

kubectl get nodes -o json | python -m deploy.plan --nodes - --run kestrel --workers 24

The cluster can also be written by hand:

nodes:
  - name: gpu-a       # as in kubectl get nodes
    gpus: 2
    replicas: 3       # pods that the device plugin lets onto each GPU; 1 if not given: it does not share
    cpu: 16           # for pods; not looked at if not given, like memory
    memory: 64Gi
  - {name: gpu-b, gpus: 4, replicas: 3, strategy: mps, resource: nvidia.com/gpu.shared, unschedulable: true}

Where a device plugin shares GPUs (time-slicing, MPS), workers are one Deployment whose pods request one share each,
and Kubernetes counts. Which GPU of a node a pod gets is the plugin's choice, even for a pod that requests several
shares: the learner has its GPU to itself only on a node without sharing, which is chosen first, or on a whole node,
all of whose shares it requests, so that Kubernetes lets nobody else onto it. A plugin with failRequestsGreaterThanOne
refuses that: with --learner-shares one it requests one, and this run's other GPU pods are kept off its node, but nobody
else's; taint the node against them. Under MPS it would get but a part of the memory, so it is never put there.

Elsewhere each GPU has a Deployment of its own, pinned by node and NVIDIA_VISIBLE_DEVICES, like the learner. Such pods
request no GPU and Kubernetes does not count them: keep other pods that use GPUs off these nodes. (A container runtime
that ignores NVIDIA_VISIBLE_DEVICES of unprivileged containers does not know such pods.) What other pods
reserve of CPU and memory is not seen, and neither are GPUs that other pods hold.

The run's folder gets a kustomization.yaml, which is yours to edit and is kept from then on, and placement/, which each
planning replaces. Exit status: 0 written; 1 refused, as it does not fit, or not writable; 2 a flag or a file is wrong.
"""

import sys

import tyro
from rich.console import Console

from deploy.plan.base import read_base, requests_of
from deploy.plan.config import Config
from deploy.plan.demand import Demand, Requests
from deploy.plan.manifests import Pods
from deploy.plan.node_list import read_nodes
from deploy.plan.overlay import write_overlay
from deploy.plan.picture import picture
from deploy.plan.placement import place
from deploy.plan.plan_error import DoesNotFitError, PlanError
from deploy.plan.refusal import refusal


def main(arguments: list[str] | None = None) -> int:
    """Plans as the flags say; returns the exit status."""
    try:
        config = tyro.cli(
            Config,
            prog="python -m deploy.plan",
            description=__doc__,
            args=arguments,
            config=(tyro.conf.EnumChoicesFromValues,),
        )
        _plan(config, Console(highlight=False))
    except DoesNotFitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except PlanError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _plan(config: Config, console: Console) -> None:
    base = read_base(config.base)
    worker = requests_of(base.worker, cpu=config.worker_cpu, memory=config.worker_memory)
    if config.evaluator_gpu:
        # One size of place for both.
        evaluator = requests_of(base.evaluator)
        worker = Requests(max(worker.cpu, evaluator.cpu), max(worker.memory, evaluator.memory))
    demand = Demand(
        workers=config.workers,
        workers_per_gpu=config.workers_per_gpu,
        learner_gpus=config.learner_gpus,
        evaluators=int(config.evaluator_gpu),
        worker=worker,
        learner=requests_of(base.learner, cpu=config.learner_cpu, memory=config.learner_memory),
        learner_shares=config.learner_shares,
    )
    nodes = read_nodes(config.nodes, tolerated=config.tolerated, replicas=config.replicas)
    plan = place(nodes, demand, config.kind)
    if not plan.fits and not config.force:
        raise DoesNotFitError(refusal(plan, nodes))
    pods = Pods(run=config.run, tolerated=config.tolerated, runtime_class=config.runtime_class)
    gone = write_overlay(config.folder, plan, base, pods)
    for part in picture(plan, config.run):
        console.print(part)
    console.print(f"\nApply it:  kubectl apply -k {config.folder}", markup=False, soft_wrap=True)
    if gone:
        console.print(
            f"No longer planned, and running until deleted:  kubectl delete deployment {' '.join(gone)}",
            markup=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    sys.exit(main())
