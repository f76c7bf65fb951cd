"""Numbers that both sides of the wire agree on."""

from typing import Final

PROTOCOL_VERSION: Final = 1
"""Sent in every JoinRun; changes only together with the package `distrib_l2r.v1`."""

DEFAULT_PORT: Final = 4444
"""The learner's TCP port where none is given."""

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Largest message either side sends or accepts: set on both channels."""

MAX_TENSOR_DIMENSIONS: Final = 8
"""Most dimensions of a tensor."""

MAX_NAME_LENGTH: Final = 253
"""Most characters of a name: of a worker, a column, a weight or a metric."""

MAX_REASON_LENGTH: Final = 1000
"""Most characters of the reason why an episode was aborted."""

CHANNEL_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)
"""gRPC options of channels and servers alike."""
