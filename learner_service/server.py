"""The gRPC server: an asyncio loop on a thread of its own, so that no stream waits for the trainer."""

import asyncio
import concurrent.futures
import logging
import threading

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from distrib_l2r.limits import CHANNEL_OPTIONS
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from distrib_l2r.v1 import status_pb2
from learner_service.config import TransportConfig
from learner_service.run import Run
from learner_service.security import interceptors, server_credentials
from learner_service.servicer import LearnerServicer
from learner_service.status import Rates, run_status

_logger = logging.getLogger(__name__)

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["LearnerService"].full_name
SERVER_OPTIONS = (
    # Without this a second learner on the port would start, and each would get some of the workers.
    ("grpc.so_reuseport", 0),
    # Workers ping every 10 s to notice a cut link.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # And the learner pings them: a stream whose worker is gone without a word ends within 30 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
START_DEADLINE_SECONDS = 30.0
STATUS_DEADLINE_SECONDS = 5.0
DRAIN_DEADLINE_SECONDS = 2.0
"""Time that workers get to leave after they were told to."""
CLOSE_DEADLINE_SECONDS = 1.0
"""Time that remaining calls get before they are cut."""


class LearnerServer:
    """Serves one run until stopped."""

    def __init__(self, run: Run, config: TransportConfig) -> None:
        self._run = run
        self._config = config
        self._rates = Rates()
        self._stop = asyncio.Event()
        self._address: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="grpc-server", daemon=True)

    def start(self) -> str:
        """Starts serving; returns HOST:PORT.

        Raises:
            OSError: the address cannot be bound.
        """
        self._thread.start()
        return self._address.result(START_DEADLINE_SECONDS)

    def status(self) -> status_pb2.RunStatus:
        """A snapshot of the run, taken on the server's loop, and a sample of its rates."""

        async def snapshot() -> status_pb2.RunStatus:
            self._rates.sample(self._run)
            return run_status(self._run, self._rates)

        return asyncio.run_coroutine_threadsafe(snapshot(), self._loop).result(STATUS_DEADLINE_SECONDS)

    def stop(self) -> None:
        """Refuses new work, lets workers leave, and closes; safe to call twice.

        Raises:
            TimeoutError: the server did not close in time.
        """
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        deadline = DRAIN_DEADLINE_SECONDS + CLOSE_DEADLINE_SECONDS + 2.0
        self._thread.join(deadline)
        if self._thread.is_alive():
            raise TimeoutError(f"the server did not close within {deadline} s; a call hangs")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = grpc.aio.server(interceptors=interceptors(self._config), options=(*CHANNEL_OPTIONS, *SERVER_OPTIONS))
        servicer = LearnerServicer(self._run, self._rates)
        _add_learner_service(servicer, server)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        try:
            address = self._bind(server)
            await self._set_health()
            await server.start()
        # Any failure to start belongs to the thread that waits for the address.
        except BaseException as failure:
            self._address.set_exception(failure)
            return
        self._run.on_change = lambda: self._on_change(servicer)
        self._address.set_result(address)
        await self._set_health()
        await self._stop.wait()
        await self._health.enter_graceful_shutdown()
        servicer.drain()
        for _ in range(round(DRAIN_DEADLINE_SECONDS / 0.05)):
            if servicer.open_streams == 0:
                break
            await asyncio.sleep(0.05)
        await server.stop(CLOSE_DEADLINE_SECONDS)
        self._run.on_change = lambda: None

    def _bind(self, server: grpc.aio.Server) -> str:
        config = self._config
        credentials = server_credentials(config)
        wanted = f"{config.host}:{config.port}"
        try:
            if credentials is None:
                port = server.add_insecure_port(wanted)
            else:
                port = server.add_secure_port(wanted, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {wanted}; free the port or choose another with --port") from error
        if credentials is None and config.host not in ("127.0.0.1", "localhost", "[::1]"):
            _logger.warning("listening on %s without TLS: anybody who reaches it is believed", wanted)
        return f"{config.host}:{port}"

    def _on_change(self, servicer: LearnerServicer) -> None:
        """Called from any thread."""

        def tell() -> None:
            servicer.notify()
            self._health_task = asyncio.ensure_future(self._set_health())

        self._loop.call_soon_threadsafe(tell)

    async def _set_health(self) -> None:
        training = self._run.training
        serving = training is not None and training.trainer.failure is None and training.store.newest_version > 0
        state = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE_NAME):
            await self._health.set(name, state)


def _add_learner_service(servicer: LearnerServicer, server: grpc.aio.Server) -> None:
    """Adds the generated handlers, except that GetPolicy answers with bytes serialised once a version."""
    pb_grpc.add_LearnerServiceServicer_to_server(servicer, server)  # type: ignore[arg-type]
    get_policy = grpc.unary_unary_rpc_method_handler(
        servicer.GetPolicy,
        request_deserializer=pb.GetPolicyRequest.FromString,
        response_serializer=bytes,
    )
    server.add_registered_method_handlers(SERVICE_NAME, {"GetPolicy": get_policy})
