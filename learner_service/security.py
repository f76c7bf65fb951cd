"""Whom the learner lets in: TLS, mutual TLS, and a bearer token."""

from __future__ import annotations  # gRPC classes are generic in their stubs only

import hmac
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc

from learner_service.config import TransportConfig

OPEN_PREFIXES = ("/grpc.health.v1.Health/",)
"""Calls that need no token: probes carry none."""


def server_credentials(config: TransportConfig) -> grpc.ServerCredentials | None:
    """TLS as configured; None without.

    Raises:
        ValueError: one of certificate and key is missing.
        OSError: a file cannot be read.
    """
    if config.tls_certificate is None or config.tls_key is None:
        if config.tls_certificate or config.tls_key or config.tls_client_ca:
            raise ValueError("TLS is half configured; give both --tls-certificate and --tls-key, or neither")
        return None
    roots = config.tls_client_ca.read_bytes() if config.tls_client_ca else None
    return grpc.ssl_server_credentials(
        [(config.tls_key.read_bytes(), config.tls_certificate.read_bytes())],
        root_certificates=roots,
        require_client_auth=roots is not None,
    )


def interceptors(config: TransportConfig) -> list[grpc.aio.ServerInterceptor]:
    """The token check, if a token is configured.

    Raises:
        OSError: the token file cannot be read.
        ValueError: it is empty.
    """
    return [TokenInterceptor(read_token(config.token_file))] if config.token_file else []


def read_token(path: Path) -> str:
    """The token in a file, without surrounding white space.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is empty.
    """
    token = path.read_text().strip()
    if not token:
        raise ValueError(f"token file {path} is empty; write the bearer token into it")
    return token


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without the bearer token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Passes the call on if it may pass."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(OPEN_PREFIXES):
            return handler
        metadata = dict(_pairs(handler_call_details.invocation_metadata))
        given = str(metadata.get("authorization", "")).encode()
        # In constant time: the answer's delay must not tell how much of a guess was right.
        if hmac.compare_digest(given, self._expected):
            return handler
        return _refusing(handler)


def _pairs(metadata: Any) -> Sequence[tuple[str, str | bytes]]:
    return [(pair[0], pair[1]) for pair in metadata or ()]


def _refusing(handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler of the same shape that only refuses."""

    async def refuse(_request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(
            grpc.StatusCode.UNAUTHENTICATED, "the bearer token is missing or wrong; give the run's token file"
        )

    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)
