"""How a worker stands with its learner, in words for whoever waits for it."""

import time
from dataclasses import dataclass, field

from distrib_l2r.v1 import status_pb2


@dataclass(frozen=True, kw_only=True)
class Away:
    """The learner cannot be reached."""

    reason: str
    since: float = field(default_factory=time.monotonic)
    """On the monotonic clock."""

    def away(self, reason: str) -> "Away":
        """Still away, by now for this reason."""
        return Away(reason=reason, since=self.since)

    def __str__(self) -> str:
        return f"the learner is away ({self.reason}) since {time.monotonic() - self.since:.0f} s"


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The learner's own account, of its newest answer."""

    flow_state: status_pb2.FlowState.ValueType
    flow_detail: str
    """Empty while it withholds no credit."""

    def away(self, reason: str) -> Away:
        """Away from now on."""
        return Away(reason=reason)

    def __str__(self) -> str:
        flow = status_pb2.FlowState.Name(self.flow_state).removeprefix("FLOW_STATE_").lower()
        return f"the learner is {flow}: {self.flow_detail}" if self.flow_detail else f"the learner is {flow}"
