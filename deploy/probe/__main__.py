"""`python -m deploy.probe QUESTION`: exit status 0 for yes.

Questions:
  alive      does the learner of this container answer, whatever its state?
  serving    has it a policy to give? (not before the first worker has brought its spaces)
  connected  is the worker of this container connected to its learner?

Environment variables, the same for every question of a container: PROBE_PORT (4444), PROBE_DEADLINE_SECONDS (5), and
for a learner with TLS PROBE_TLS_CA, PROBE_TLS_NAME, and where it demands them PROBE_TLS_CERTIFICATE and PROBE_TLS_KEY.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

QUESTIONS: Final = ("alive", "serving", "connected")


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Answers one question; returns the exit status and says why it is not 0."""
    if len(arguments) != 1 or arguments[0] not in QUESTIONS:
        print(__doc__, file=sys.stderr)
        return 2
    (question,) = arguments
    port = int(environ.get("PROBE_PORT", "4444"))
    failure = _disconnected(port) if question == "connected" else _unwell(question, port, environ)
    if failure:
        print(failure, file=sys.stderr)
    return 1 if failure else 0


def _disconnected(port: int) -> str:
    from deploy.probe.connection import connected  # noqa: PLC0415 - a worker's image has no health client

    return "" if connected(port) else f"no connection to a learner's port {port} stands; the worker's log says why"


def _unwell(question: str, port: int, environ: Mapping[str, str]) -> str:
    import grpc  # noqa: PLC0415

    from deploy.probe.health import Trust, serving  # noqa: PLC0415

    def path(name: str) -> Path | None:
        return Path(environ[name]) if environ.get(name) else None

    trust = Trust(
        ca=path("PROBE_TLS_CA"),
        name=environ.get("PROBE_TLS_NAME"),
        certificate=path("PROBE_TLS_CERTIFICATE"),
        key=path("PROBE_TLS_KEY"),
    )
    try:
        serves = serving(port, trust, float(environ.get("PROBE_DEADLINE_SECONDS", "5")))
    except grpc.RpcError as error:
        return f"the learner on port {port} does not answer: {error.code().name}: {error.details()}"
    if question == "serving" and not serves:
        return "the learner has no policy yet; a worker must bring its spaces first"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
