"""The protocol of a connection: Uvicorn's for HTTP/1.1, with a limit of the time in which a request has to begin."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from charrnn.server.exchange import REQUEST_SECONDS


class TimedProtocol(H11Protocol):
    """Closes a connection on which no request begins, which else could be held for ever with a byte now and then."""

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.seen: Any = None
        self.header_timer: asyncio.TimerHandle | None = None
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
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        seconds = min(REQUEST_SECONDS, self.config.app.service.options.timeout)  # type: ignore[union-attr] # it is an `App`
        self.header_timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None
