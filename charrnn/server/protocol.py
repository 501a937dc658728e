"""The protocol of a connection: Uvicorn's for HTTP/1.1, with limits of the times that a client may take."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from charrnn.server.exchange import REQUEST_SECONDS

MAX_HEAD_BYTES = 1 << 16
"""The most bytes of headers, or of what stands between the parts of a body."""


class TimedProtocol(HttpToolsProtocol):
    """Closes a connection on which no request begins, or whose client takes no more of its answer.

    Either could be held for ever otherwise: with a byte now and then, or with a full buffer, for which the end of an
    answer waits too.
    """

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.seen: Any = None
        self.header_timer: asyncio.TimerHandle | None = None
        self.write_timer: asyncio.TimerHandle | None = None
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Takes bytes. Those after a complete answer begin another request, whose headers have to follow."""
        super().data_received(data)
        if self.cycle is not self.seen:
            self.seen = self.cycle
            self._stop_waiting()
        elif self.header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_headers()

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
