"""Who waits on whom."""

from dataclasses import dataclass
from enum import IntEnum

from distrib_l2r.v1 import status_pb2


class FlowState(IntEnum):
    """Which side waits, if any; numbered as on the wire."""

    HEALTHY = status_pb2.FLOW_STATE_HEALTHY
    STARVED = status_pb2.FLOW_STATE_STARVED
    THROTTLED = status_pb2.FLOW_STATE_THROTTLED


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A snapshot of the balance between workers and trainer."""

    state: FlowState
    """Which side waits."""
    since_seconds: float
    """How long it has been so."""
    detail: str
    """One sentence with the numbers behind it."""
