"""The service: what each path answers, to whom, and what is told of it."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from charrnn.errors import CharRNNError, CheckpointError
from charrnn.server import completions, reading
from charrnn.server.errors import ApiError, draining, overloaded, unexpected
from charrnn.server.exchange import Disconnected, Exchange, Receive, Scope, Send
from charrnn.server.job import Job, Part
from charrnn.server.metrics import Metrics
from charrnn.server.models import Models, ServedModel, page_of
from charrnn.server.options import ServerOptions
from charrnn.server.scheduler import Scheduler

OPEN_PATHS = ("/healthz",)
"""The paths that need no key."""
WHILE_DRAINING = ("/healthz", "/metrics")
"""The paths that are answered while the server stops."""
MAX_WORK = 64
"""The most texts, or parts of texts, that wait to be read by the thread for that."""
CLIENT_LEFT = 499
"""The status in the log and the metrics of an answer whose client has left, as nginx has it."""
Result = TypeVar("Result")
Answer = Callable[["Service", Exchange], Awaitable[None]]


class Service:
    """The application that the server runs: an ASGI app around those of its paths."""

    def __init__(self, models: Models, options: ServerOptions, notice: Callable[[str], None], debug: bool = False):
        """A notice is a line of the log; `debug` prints the tracebacks of faults."""
        self.models, self.options, self.notice, self.debug = models, options, notice, debug
        self.metrics = Metrics()
        self.loop: asyncio.AbstractEventLoop
        self.scheduler: Scheduler
        self.worker = ThreadPoolExecutor(1, "charrnn reader")
        self.working = 0
        self.active = 0
        """The requests that are being answered."""
        self.is_draining = False
        paths: dict[str, tuple[Answer, str]] = {
            "/": (_page, "GET"),
            "/v1/models": (_list_models, "GET"),
            "/v1/models/{name:path}": (_one_model, "GET"),
            "/v1/completions": (completions.complete, "POST"),
            "/score": (reading.score_texts, "POST"),
            "/classify": (reading.classify_texts, "POST"),
            "/healthz": (_health, "GET"),
            "/metrics": (_metrics, "GET"),
        }
        self.paths = {path for path in paths if "{" not in path}
        routes = [Route(path, Endpoint(self, answer), methods=[method]) for path, (answer, method) in paths.items()]
        self.router = Router(routes, redirect_slashes=False)

    def start(self) -> None:
        """Begins to draw; in the loop of the server."""
        self.loop = asyncio.get_running_loop()
        self.scheduler = Scheduler(self._deliver, self.options.batch_size, self.options.queue)

    def close(self) -> None:
        """Ends the threads."""
        self.scheduler.close()
        self.models.close()
        self.worker.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, parts: list[tuple[Job, Part]]) -> None:
        self.loop.call_soon_threadsafe(_hand_over, parts)

    async def work(self, function: Callable[..., Result], *args: Any) -> Result:
        """The result of a function, which another thread computes in turn. Raises `ApiError` if many wait."""
        if self.working >= MAX_WORK:
            raise overloaded(f"{MAX_WORK} texts wait to be read already: try later")
        self.working += 1
        try:
            return await self.loop.run_in_executor(self.worker, function, *args)
        finally:
            self.working -= 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, whatever happens, and tells of it."""
        exchange, began = Exchange(scope, receive, send), time.perf_counter()
        scope["exchange"], scope["app"] = exchange, self  # an app takes the errors of the router
        self.active += 1
        try:
            await self._answer(exchange)
            status = exchange.status
        except Disconnected:
            status = CLIENT_LEFT
            self.metrics.disconnected += 1
        finally:
            self.active -= 1
        path = exchange.path if exchange.path in self.paths else "other"
        self.metrics.requests[path, status] += 1
        client = scope.get("client") or ("-",)
        seconds = time.perf_counter() - began
        about = f" {exchange.about}" if exchange.about else ""
        self.notice(f"{client[0]} {exchange.method} {exchange.path[:100]} {status} {seconds:.3f} s{about}")

    async def _answer(self, exchange: Exchange) -> None:
        """Answers a request, or says why not. Raises `Disconnected`."""
        try:
            self._check_access(exchange)
            await self.router(exchange.scope, exchange.receive, exchange.send)
        except ApiError as error:
            await exchange.answer_error(error)
        except CheckpointError as error:
            self.notice(f"{exchange.path}: {error}")
            await exchange.answer_error(ApiError(str(error), status=500, kind="server_error"))
        except CharRNNError as error:
            await exchange.answer_error(
                ApiError(str(error), "prompt" if exchange.path.endswith("completions") else "text")
            )
        except Disconnected:
            raise
        except HTTPException as error:
            await exchange.answer_error(_http_error(error, exchange))
        except Exception as error:
            what = traceback.format_exc() if self.debug else f"{type(error).__name__}: {error}"
            for line in what.splitlines():
                self.notice(f"{exchange.path}: {line[:500]}")
            await exchange.answer_error(unexpected())

    def _check_access(self, exchange: Exchange) -> None:
        """Raises `ApiError` for a request without the key, and for one that comes while the server stops."""
        key = self.options.api_key
        if key is not None and exchange.path not in OPEN_PATHS and not exchange.has_key(key):
            scheme = 'Basic realm="charrnn"' if exchange.path == "/" else "Bearer"
            raise ApiError(
                "Incorrect API key provided"
                if "authorization" in exchange.headers
                else "You didn't provide an API key: it is the bearer token of the header Authorization",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": scheme},
            )
        if self.is_draining and exchange.path not in WHILE_DRAINING:
            raise draining()


class Endpoint:
    """An ASGI app for a path."""

    def __init__(self, service: Service, answer: Answer):
        self.service, self.answer = service, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(self.service, scope["exchange"])


def _hand_over(parts: list[tuple[Job, Part]]) -> None:
    for job, part in parts:
        job.hand_over(part)


def _http_error(error: HTTPException, exchange: Exchange) -> ApiError:
    """The error for a path or a method that there is not."""
    path = exchange.path[:100]
    if error.status_code == 405:
        message = f"Not allowed to {exchange.method[:20]} on {path}: perhaps you meant to use a different HTTP method"
    else:
        message = f"Invalid URL ({exchange.method[:20]} {path})"
    return ApiError(message, status=error.status_code, headers=dict(error.headers or {}))


# What the paths answer


async def _page(service: Service, exchange: Exchange) -> None:
    loaded = await service.models.get(None)
    content = await service.work(page_of, service.models.first, loaded)
    await exchange.answer(200, "text/html; charset=utf-8", content)


async def _list_models(service: Service, exchange: Exchange) -> None:
    data = [_about(served) for served in service.models.by_name.values()]
    await exchange.answer_json({"object": "list", "data": data})


async def _one_model(service: Service, exchange: Exchange) -> None:
    await exchange.answer_json(_about(service.models.named(exchange.scope["path_params"]["name"])))


def _about(served: ServedModel) -> dict[str, Any]:
    try:
        created = served.stamp()[0] // 10**9
    except CheckpointError:
        created = served.loaded.created if served.loaded else 0
    return {"id": served.name, "object": "model", "created": created, "owned_by": "charrnn"}


async def _health(service: Service, exchange: Exchange) -> None:
    status = "draining" if service.is_draining else "ok"
    await exchange.answer_json({"status": status}, 503 if service.is_draining else 200)


async def _metrics(service: Service, exchange: Exchange) -> None:
    loads = {served.name: served.reloads for served in service.models.by_name.values()}
    text = service.metrics.text(service.scheduler.drawn, service.scheduler.waiting, loads)
    await exchange.answer(200, "text/plain; version=0.0.4; charset=utf-8", text.encode())
