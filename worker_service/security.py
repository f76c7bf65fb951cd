"""How a worker shows who it is: TLS, mutual TLS, and a bearer token."""

import grpc

from worker_service.config import WorkerConfig


def channel_credentials(config: WorkerConfig) -> grpc.ChannelCredentials | None:
    """TLS as configured; None without.

    Raises:
        ValueError: one of certificate and key is missing.
        OSError: a file cannot be read.
    """
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise ValueError("mutual TLS is half configured; give both --tls-certificate and --tls-key, or neither")
    if not (config.tls or config.tls_ca or config.tls_certificate):
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=config.tls_ca.read_bytes() if config.tls_ca else None,
        private_key=config.tls_key.read_bytes() if config.tls_key else None,
        certificate_chain=config.tls_certificate.read_bytes() if config.tls_certificate else None,
    )


def call_metadata(config: WorkerConfig) -> tuple[tuple[str, str], ...]:
    """The metadata of every call: the bearer token, if there is one.

    Raises:
        ValueError: the token file is empty.
        OSError: it cannot be read.
    """
    if config.token_file is None:
        return ()
    token = config.token_file.read_text().strip()
    if not token:
        raise ValueError(f"token file {config.token_file} is empty; write the learner's bearer token into it")
    return (("authorization", f"Bearer {token}"),)
