"""What a learner's health service answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How a learner that demands TLS is called.

    Attributes:
        ca: PEM roots that sign its certificate; without them the call is made in the clear.
        name: the name in its certificate, which 127.0.0.1 is not.
        certificate: PEM certificate chain of the caller, for mutual TLS.
        key: PEM private key of it.
    """

    ca: Path | None = None
    name: str | None = None
    certificate: Path | None = None
    key: Path | None = None


def serving(port: int, trust: Trust, deadline_seconds: float) -> bool:
    """Whether the learner on this machine's `port` has a policy to give.

    Raises:
        grpc.RpcError: it has not answered in time, or not as a learner does.
        OSError: a file of `trust` cannot be read.
    """
    address = f"127.0.0.1:{port}"
    # A proxy that the environment names is for the outside.
    options: list[tuple[str, str | int]] = [("grpc.enable_http_proxy", 0)]
    if trust.ca is None:
        channel = grpc.insecure_channel(address, options)
    else:
        if trust.name is not None:
            options.append(("grpc.ssl_target_name_override", trust.name))
        credentials = grpc.ssl_channel_credentials(
            trust.ca.read_bytes(),
            trust.key.read_bytes() if trust.key else None,
            trust.certificate.read_bytes() if trust.certificate else None,
        )
        channel = grpc.secure_channel(address, credentials, options)
    with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=deadline_seconds)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
