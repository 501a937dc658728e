"""The server's process: listens, answers until it is asked to stop, and then finishes what has begun."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from charrnn.errors import CharRNNError, ConfigError
from charrnn.optional import require
from charrnn.server.options import ServerOptions

require("charrnn serve", "serve")

import uvicorn  # noqa: E402

from charrnn.server.app import App  # noqa: E402
from charrnn.server.hosts import is_loopback  # noqa: E402
from charrnn.server.models import Models  # noqa: E402
from charrnn.server.protocol import LimitedProtocol  # noqa: E402
from charrnn.server.service import Service  # noqa: E402

KEEP_ALIVE_SECONDS = 75
"""How long a connection without a request is kept: longer than clients keep theirs, so that none is cut in use."""
SWITCH_SECONDS = 0.0005
"""How long a thread of Python may keep others from running: what is drawn waits for it."""
STEP_SECONDS = 0.02
"""How often a server that stops looks whether it is done."""


class Server(uvicorn.Server):
    """Uvicorn's server, which drains at the first signal to stop, and ends at once at a second one."""

    def __init__(self, config: uvicorn.Config, on_signal: Callable[[], None]):
        super().__init__(config)
        self.on_signal = on_signal

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles signals; unlike Uvicorn, it raises none of them again in the end."""
        loop, received = asyncio.get_running_loop(), list[int]()

        def handle(number: int, frame: FrameType | None) -> None:
            if received:
                raise SystemExit(128 + number)
            received.append(number)
            loop.call_soon_threadsafe(self.on_signal)

        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, handle) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class LogHandler(logging.Handler):
    """Gives what Uvicorn logs to a notice, in one line without a traceback."""

    def __init__(self, notice: Callable[[str], None]):
        super().__init__(logging.WARNING)
        self.notice = notice

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):  # of an answer that was cut off, as the end says
            return
        self.notice(record.getMessage().strip() + (f": {type(error).__name__}: {error}" if error else ""))


@contextmanager
def _address(options: ServerOptions) -> Iterator[None]:
    """Raises `ConfigError` for a host or a port that can't be had."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"can't listen on {options.host}:{options.port}: {why}", "port") from None


def bind(options: ServerOptions) -> socket.socket:
    """A socket with the address, which refuses connections until it listens. Raises as `_address` does."""
    with _address(options):
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)  # asyncio sends small packets at once if it is named
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a socket listens."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(
    models: Models,
    options: ServerOptions,
    notice: Callable[[str], None],
    log: Callable[[str], None],
    debug: bool = False,
) -> None:
    """Serves models until a signal asks to stop; `log` takes a line for each request.

    `notice` says where it listens, and if others than this machine may ask, which a request to it need not name then.

    The first model is loaded before it listens. Raises `CheckpointError` if it can't be, `ConfigError` if the address
    can't be had, and `CharRNNError` if answers were cut off at the end.
    """
    listener = bind(options)
    with listener:
        is_local = is_loopback(listener.getsockname()[0])
        if not is_local and options.api_key is None:
            notice(f"everyone who reaches {options.host} can use this server: set `api_key`")
        models.load_first()
        with _address(options):
            listener.listen(1024)
        gc.collect()
        gc.freeze()  # what has been imported and compiled stays: to look through it again takes 0.1 s
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            cut = asyncio.run(_serve(App(Service(models, options, is_local), log, debug), listener, notice))
        finally:
            gc.unfreeze()
    if cut:
        raise CharRNNError(f"answers that were cut off after {options.drain:g} seconds: {cut}; give a longer `drain`")


async def _serve(app: App, listener: socket.socket, notice: Callable[[str], None]) -> int:
    """Serves until it is asked to stop; returns how many answers were cut off then."""
    service, stopping, cut = app.service, asyncio.Event(), 0
    logger = logging.getLogger("uvicorn")
    logger.handlers, logger.propagate = [LogHandler(app.log)], False
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, stopping.set)
    service.start()

    async def drain() -> None:
        nonlocal cut
        await stopping.wait()
        service.is_draining = True
        until = asyncio.get_running_loop().time() + service.options.drain
        while service.active and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(STEP_SECONDS)
        cut = service.active
        server.should_exit = True

    async def announce() -> None:
        while not server.started:
            await asyncio.sleep(0.001)
        notice(f"serving {', '.join(service.models.by_name)} at {url_of(listener)}")

    tasks = [asyncio.create_task(drain()), asyncio.create_task(announce())]
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        service.close()
    return cut
