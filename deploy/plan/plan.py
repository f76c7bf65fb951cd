"""Who sits where."""

from dataclasses import dataclass

from deploy.plan.demand import Demand, Kind
from deploy.plan.learner_seat import LearnerSeat
from deploy.plan.node import Node
from deploy.plan.room import Room


@dataclass(frozen=True)
class NodePlan:
    """A node with those placed on it."""

    node: Node
    learner_gpus: int
    """GPUs that are the learner's, from index 0 on."""
    room: Room
    evaluators: tuple[int, ...]
    """Of each GPU after the learner's."""
    workers: tuple[int, ...]
    """Of each GPU after the learner's. Where the device plugin shares, which GPU it is remains the plugin's choice."""


@dataclass(frozen=True)
class Plan:
    """A placement; whatever did not fit is counted."""

    kind: Kind
    demand: Demand
    resource: str
    """What a worker requests where the kind is shared."""
    nodes: tuple[NodePlan, ...]
    """Those that can take something, by name."""
    learner: LearnerSeat | None
    """None: it asks for no GPU, or found none."""
    left_out: tuple[tuple[str, str], ...]
    """Names of the other nodes, and why."""

    @property
    def places(self) -> int:
        """Places for workers and evaluators."""
        return sum(node.room.places for node in self.nodes)

    @property
    def unplaced(self) -> int:
        """Workers without a place."""
        return self.demand.workers - sum(sum(node.workers) for node in self.nodes)

    @property
    def evaluator_unplaced(self) -> bool:
        """Whether the evaluator wants a GPU and has none."""
        return sum(sum(node.evaluators) for node in self.nodes) < self.demand.evaluators

    @property
    def learner_unplaced(self) -> bool:
        """Whether the learner wants a GPU and has none."""
        return self.demand.learner_gpus > 0 and self.learner is None

    @property
    def fits(self) -> bool:
        """Whether everybody has a place."""
        return not (self.unplaced or self.evaluator_unplaced or self.learner_unplaced)
