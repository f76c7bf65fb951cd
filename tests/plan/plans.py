"""Plans of all kinds, whose overlays are kept in golden/."""

from deploy.plan.demand import Requests
from deploy.plan.placement import place
from tests.plan.builders import demand, node

WORKER, LEARNER = Requests(500, 384 << 20), Requests(1000, 2 << 30)

SHARED = [node("gpu-a", 2, replicas=3), node("gpu-b", 2, replicas=3), node("gpu-c", 2, replicas=3)]
PINNED = [node("gpu-a", 2), node("gpu-b.example.org", 2)]

GOLDEN = {
    "shared": place(SHARED, demand(12, worker=WORKER, learner=LEARNER)),
    "shared-one-whole": place(
        [*SHARED, node("whole", 1)], demand(20, evaluators=1, worker=WORKER, learner=Requests(6000, 8 << 30))
    ),
    "pinned": place(PINNED, demand(8, worker=Requests(1500, 2 << 30), learner=LEARNER)),
    "pinned-short": place(PINNED, demand(12, learner_gpus=3, evaluators=1, worker=WORKER, learner=LEARNER)),
}
"""By the name of the golden folder; the last leaves some without a place."""
