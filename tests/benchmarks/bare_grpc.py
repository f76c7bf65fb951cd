"""The most that gRPC allows: a grpc.aio server that reads a stream of bytes into nothing, and its client."""

import asyncio
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from typing import Any, Final

import grpc

from distrib_l2r.limits import CHANNEL_OPTIONS
from tests.benchmarks.load import Load
from tests.benchmarks.pour import Chunks

METHOD: Final = "/bare.Sink/Pour"


def serve(parent: Connection, counts: Any) -> None:
    """Serves until the parent closes its end; sends HOST:PORT first and counts messages in `counts[0]`."""
    asyncio.run(_serve(parent, counts))


async def _serve(parent: Connection, counts: Any) -> None:
    async def pour(requests: AsyncIterator[bytes], _context: Any) -> bytes:
        async for _ in requests:
            counts[0] += 1
        return b""

    # Without a serialiser messages stay bytes.
    handler: Any = grpc.stream_unary_rpc_method_handler(pour)
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare.Sink", {"Pour": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    parent.send(f"127.0.0.1:{port}")
    await asyncio.to_thread(parent.poll, None)
    await server.stop(None)


class BareStream:
    """Writes as fast as flow control allows."""

    def __init__(self, load: Load, chunks: Chunks) -> None:
        options = (*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        self._channel = grpc.aio.insecure_channel(load.address, options=options)
        self._chunks = chunks
        self._count = load.message_chunks
        self._stopping = False

    async def open(self) -> None:
        """Begins the call."""
        method: Any = self._channel.stream_unary(METHOD)
        self._call = method()
        await self._call.wait_for_connection()

    async def run(self) -> None:
        """Writes until stopped."""
        sent = 0
        while not self._stopping:
            await self._call.write(self._chunks.request(sent + 1, self._count))
            sent += self._count
        self._call.cancel()
        await self._channel.close()

    def stop(self) -> None:
        """Lets `run` end."""
        self._stopping = True
