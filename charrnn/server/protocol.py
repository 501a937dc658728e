"""The protocol of a connection: Uvicorn's for HTTP/1.1, with limits of what a client may take and send."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from charrnn.server.exchange import REQUEST_SECONDS

MAX_HEAD = 1 << 16
"""The most bytes that arrive without the end of headers or a part of a body."""


class LimitedProtocol(HttpToolsProtocol):
    """Closes a connection on which no request begins or no headers end, or whose client takes no more of its answer.

    It could be held for ever otherwise: with a byte now and then, or with a full buffer, for which the end of an answer
    waits too; and headers would fill the memory.
    """

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.seen: Any = None
        self.head_bytes, self.is_head, self.has_progress = 0, True, False
        self.header_timer: asyncio.TimerHandle | None = None
        self.write_timer: asyncio.TimerHandle | None = None
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Takes bytes. Those after a complete answer begin another request, whose headers have to follow."""
        self.has_progress = False
        super().data_received(data)
        if self.cycle is not self.seen:
            self.seen = self.cycle
            self._stop_waiting()
        elif self.header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_headers()
        self.head_bytes = 0 if self.has_progress else self.head_bytes + len(data)
        if self.head_bytes > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The headers of the request are too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.is_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header; those that follow a body are dropped, for nobody reads them."""
        if self.is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body begins."""
        self.is_head, self.has_progress = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes some of the body."""
        self.has_progress = True
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        self._stop_waiting()
        self._stop_writing_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begins to wait for the client, for as long as an answer may take."""
        super().pause_writing()
        self._stop_writing_timer()
        self.write_timer = self.loop.call_later(self._timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken enough of its answer."""
        self._stop_writing_timer()
        super().resume_writing()

    @property
    def _timeout(self) -> float:
        seconds: float = self.config.app.service.options.timeout  # type: ignore[union-attr] # it is an `App`
        return seconds

    def _wait_for_headers(self) -> None:
        self.header_timer = self.loop.call_later(min(REQUEST_SECONDS, self._timeout), self.transport.close)

    def _stop_waiting(self) -> None:
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None

    def _stop_writing_timer(self) -> None:
        if self.write_timer is not None:
            self.write_timer.cancel()
            self.write_timer = None
