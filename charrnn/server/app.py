"""The application: what each path answers, to whom, and what the log has of it."""

import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from charrnn.errors import CharRNNError, CheckpointError
from charrnn.server import completions, reading
from charrnn.server.errors import ApiError, draining, unexpected
from charrnn.server.exchange import Disconnected, Exchange, Receive, Scope, Send
from charrnn.server.hosts import is_of_this_machine
from charrnn.server.models import ServedModel, page_of
from charrnn.server.service import Service

OPEN_PATHS = ("/healthz",)
"""The paths that need no key."""
WHILE_DRAINING = ("/healthz", "/metrics")
"""The paths that are answered while the server stops."""
CLIENT_LEFT = 499
"""The status in the log and the metrics of an answer whose client has left, as nginx has it."""
Answer = Callable[[Service, Exchange], Awaitable[None]]


class App:
    """The ASGI app that the server runs, around those of its paths."""

    def __init__(self, service: Service, log: Callable[[str], None], debug: bool = False):
        """`log` takes a line for each request; `debug` also gives it the tracebacks of faults."""
        self.service, self.log, self.debug = service, log, debug
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
        routes = [Route(path, Endpoint(service, answer), methods=[method]) for path, (answer, method) in paths.items()]
        self.router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, whatever happens, and tells of it."""
        exchange, began = Exchange(scope, receive, send), time.perf_counter()
        scope["exchange"], scope["app"] = exchange, self  # an app takes the errors of the router
        self.service.active += 1
        try:
            await self._answer(exchange)
            status = exchange.status
        except Disconnected:
            status = CLIENT_LEFT
            self.service.metrics.disconnected += 1
        finally:
            self.service.active -= 1
        path = exchange.path if exchange.path in self.paths else "other"
        self.service.metrics.requests[path, status] += 1
        client = scope.get("client") or ("-",)
        seconds = time.perf_counter() - began
        about = f" {exchange.about}" if exchange.about else ""
        self.log(f"{client[0]} {exchange.method} {exchange.path[:100]} {status} {seconds:.3f} s{about}")

    async def _answer(self, exchange: Exchange) -> None:
        """Answers a request, or says why not. Raises `Disconnected`."""
        try:
            self._check_access(exchange)
            await self.router(exchange.scope, exchange.receive, exchange.send)
        except ApiError as error:
            await exchange.answer_error(error)
        except CheckpointError as error:
            self.log(f"{exchange.path}: {error}")
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
                self.log(f"{exchange.path}: {line[:500]}")
            await exchange.answer_error(unexpected())

    def _check_access(self, exchange: Exchange) -> None:
        """Raises `ApiError` for a request to another host or without the key, and for one while the server stops."""
        host = exchange.headers.get("host", "localhost")  # a browser always gives one
        if self.service.is_local and not is_of_this_machine(host, self.service.options.host):
            raise ApiError(
                f"This server answers only requests to localhost, not to {host[:100]!r}: --host opens it to others",
                status=421,
                code="misdirected_request",
            )
        key = self.service.options.api_key
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
        if self.service.is_draining and exchange.path not in WHILE_DRAINING:
            raise draining()


class Endpoint:
    """An ASGI app for a path."""

    def __init__(self, service: Service, answer: Answer):
        self.service, self.answer = service, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(self.service, scope["exchange"])


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
    content = await service.read(page_of, service.models.first, loaded)
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
