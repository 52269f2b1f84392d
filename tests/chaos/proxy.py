"""A TCP proxy between two parts, which can be told to misbehave."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Forwards bytes to a port of this machine, in a thread of its own; its faults are attributes to be set."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.delay_s = 0.0
        # Half open: both sides think the connection stands, and nothing arrives.
        self.is_silent = False
        self.refuses = False
        # Forward the bytes that hold this once, then cut before the answer comes back.
        self.cut_after: bytes | None = None
        self.cut_count = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, ready: threading.Event) -> None:
        """Forward until told to stop."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopped.wait()
        server.close()
        self.is_silent = False
        self._abort()
        # One more round of the loop, in which the aborted sockets are closed.
        await asyncio.sleep(0.1)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        await asyncio.gather(self._forward(reader, far_writer, writer), self._forward(far_reader, writer, None))
        self._writers -= ends

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None
    ) -> None:
        with suppress(OSError):
            while content := await reader.read(65536):
                await asyncio.sleep(self.delay_s)
                while self.is_silent:
                    await asyncio.sleep(0.05)
                writer.write(content)
                await writer.drain()
                if client and self.cut_after and self.cut_after in content:
                    self.cut_after = None
                    self.cut_count += 1
                    client.transport.abort()
        writer.close()

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def cut(self) -> None:
        """Reset every connection that stands."""
        self._loop.call_soon_threadsafe(self._abort)

    def stop(self) -> None:
        """End, with all connections."""
        self._loop.call_soon_threadsafe(self._stopped.set)


@contextmanager
def open_proxy(target_port: int) -> Iterator[Proxy]:
    """Start a proxy, and end it."""
    proxy, ready = Proxy(target_port), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready)), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(5)
