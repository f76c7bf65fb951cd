"""What load generators are asked for, and what they tell."""

from dataclasses import dataclass, field
from typing import Literal

Target = Literal["learner", "bare_grpc", "raw_tcp", "pickled_exchange"]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one generator process does until told to stop."""

    target: Target
    address: str
    """HOST:PORT."""
    observation: str = "vector"
    """A key of `pour.SPACES`."""
    chunk_length: int = 64
    message_chunks: int = 1
    """Chunks in each message; an exchange of the ancestor's scheme carries as many."""
    streams: int = 1
    """Each over a connection of its own."""
    period_seconds: float = 0.0
    """From one chunk of a stream to the next; 0: as fast as credit allows. Streams begin spread over it."""
    fetch: bool = False
    """Fetch every new policy version as workers do."""


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """Of one chunk."""

    at: float
    """Monotonic seconds, which all processes of a machine share."""
    seconds: float
    """From just before the chunk was written."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Of one policy version at one stream, decoded."""

    stream: str
    """The session it belongs to."""
    version: int
    published_at: float
    """Unix seconds, by the learner."""
    arrived_at: float
    """Unix seconds."""
    size: int
    """Bytes of the message."""


@dataclass
class Tally:
    """What one generator process saw."""

    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Takes in another's."""
        self.acknowledgements += other.acknowledgements
        self.arrivals += other.arrivals
