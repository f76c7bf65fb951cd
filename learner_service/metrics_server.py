"""The learner's metrics over HTTP, for Prometheus to scrape."""

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.registry import Collector

from learner_service.metrics_address import parse_address

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_logger = logging.getLogger(__name__)

CLIENT_SECONDS: Final = 2.0
"""For a client to send its request, and to take each piece of the answer."""
STOP_SECONDS: Final = 3.0
"""For the scrape under way."""
POLL_SECONDS: Final = 0.2
"""Between two looks whether to stop."""


class MetricsServer:
    """Answers one scrape at a time on a thread of its own.

    A scrape that the learner does not answer in time gets 503, so that its `up` becomes 0.
    """

    def __init__(self, collector: Collector, address: str) -> None:
        """Binds the address, HOST:PORT with port 0 for a free one; answers only once started.

        Raises:
            OSError: the address cannot be bound.
        """
        registry = CollectorRegistry()
        registry.register(collector)
        self._answer = make_wsgi_app(registry)
        host, port = parse_address(address)
        try:
            self._server = _server_class(host)((host, port), _Request)
        except OSError as error:
            raise OSError(
                f"cannot serve metrics on {address} ({error.strerror or error}): free the port or choose another with "
                "--metrics-address"
            ) from error
        self._server.set_app(self._respond)
        self.address = f"{address.rpartition(':')[0]}:{self._server.server_port}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        _logger.info("metrics for Prometheus on http://%s/metrics", self.address)

    def stop(self) -> None:
        """Ends the thread after the scrape under way and frees the port; safe to call twice, and before `start`.

        Raises:
            TimeoutError: a scrape did not end in time.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                raise TimeoutError(f"the metrics server did not end within {STOP_SECONDS} s; a scrape hangs")
        self._server.server_close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._server.handle_request()

    def _respond(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            return self._answer(environ, start_response)  # type: ignore[no-any-return]
        except TimeoutError:
            _logger.warning("metrics: the server has not told the run's state in time: this machine is overloaded")
            start_response("503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"the learner has not told its state in time\n"]


class _Server(WSGIServer):
    timeout = POLL_SECONDS

    def server_bind(self) -> None:
        # The one it replaces asks the network for this machine's name, which a network policy lets hang.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: object, client_address: tuple[str, int]) -> None:
        """Called where a client went away or took too long."""
        _logger.warning("metrics: a scrape from %s broke off: %s", client_address[0], sys.exc_info()[1])


class _Server6(_Server):
    address_family = socket.AF_INET6


def _server_class(host: str) -> type[_Server]:
    return _Server6 if ":" in host else _Server


class _Request(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Every scrape would be a line."""
        _logger.debug("metrics: %s", format % args)
