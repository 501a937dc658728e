"""The exchange: the body of a request and the answer to it, within limits of size and time, until the client leaves."""

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from charrnn.server.errors import ApiError, to_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Result = TypeVar("Result")

REQUEST_SECONDS = 10.0
"""The most seconds for the headers of a request to arrive, and again for its body."""


class Disconnected(Exception):
    """The client has left."""


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send):
        self.scope, self.receive, self.send = scope, receive, send
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.path, self.method = str(scope["path"]), str(scope["method"])
        self.status = 0
        """That of the answer, once it has begun."""
        self.is_complete = False
        self.about = ""
        """What the log says of the answer."""

    async def json_body(self, max_body: int, timeout: float) -> bytes:
        """The body of a request that has JSON. Raises `ApiError` for one too large or too slow, and `Disconnected`."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError(
                f"the content type must be application/json, not {kind[:60] or 'nothing'}",
                status=415,
                code="unsupported_content_type",
            )
        too_large = ApiError(
            f"the body of a request may have {max_body:,} bytes", status=413, headers={"connection": "close"}
        )
        length = self.headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > max_body:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(min(timeout, REQUEST_SECONDS)):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > max_body:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            close = {"connection": "close"}
            raise ApiError("the body of the request did not arrive in time", status=408, headers=close) from None

    async def until_disconnected(self) -> None:
        """Returns when the client has left."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def while_connected(self, work: Awaitable[Result], on_leaving: Callable[[], None]) -> Result:
        """The result of work; if the client leaves, calls a function that ends it, and raises `Disconnected`."""
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self.until_disconnected())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Disconnected
            return working.result()
        finally:
            on_leaving()
            leaving.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    async def begin(self, status: int, content_type: str, headers: dict[str, str] | None = None) -> None:
        """Sends the beginning of the answer."""
        self.status = status
        named = {"content-type": content_type, "cache-control": "no-store", "x-content-type-options": "nosniff"}
        raw = [(name.encode(), value.encode()) for name, value in (named | (headers or {})).items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, content: bytes, more: bool = True) -> None:
        """Sends a part of the answer; without `more`, the last one."""
        self.is_complete = not more
        await self.send({"type": "http.response.body", "body": content, "more_body": more})

    async def answer(
        self, status: int, content_type: str, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Sends a whole answer."""
        await self.begin(status, content_type, {"content-length": str(len(content))} | (headers or {}))
        await self.write(b"" if self.method == "HEAD" else content, more=False)

    async def answer_json(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Sends JSON data."""
        await self.answer(status, "application/json", to_json(data), headers)

    async def answer_error(self, error: ApiError) -> None:
        """Sends an error: as the answer or, if that has begun, as the end of its stream."""
        if not self.status:
            await self.answer_json(error.as_dict(), error.status, error.headers)
        elif not self.is_complete:
            await self.write(event(error.as_dict()), more=False)

    def has_key(self, key: str) -> bool:
        """Whether the client has the key: as a bearer token or, from a browser, as the password."""
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        given = given.strip()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[2]
            except ValueError:
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())


def event(data: Any) -> bytes:
    """A server-sent event with JSON data."""
    return b"data: " + to_json(data) + b"\n\n"
