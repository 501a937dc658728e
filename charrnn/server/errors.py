"""The errors of the server, in the form that OpenAI's clients read."""

import json
import re
from typing import Any

from charrnn.errors import CharRNNError

SURROGATE = re.compile("[\ud800-\udfff]")


class ApiError(CharRNNError):
    """A request that can't be answered; raised where that is found out, and sent as JSON."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        """`param` is the field that the message is about; `status` is that of HTTP, `kind` the `type` of the JSON."""
        super().__init__(message)
        self.param, self.status, self.kind, self.code, self.headers = param, status, kind, code, headers or {}

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON data."""
        content = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return {"error": content}


def overloaded(message: str) -> ApiError:
    """The error for a request that would wait too long: clients try again later."""
    retry = {"retry-after": "1"}
    return ApiError(message, status=429, kind="rate_limit_error", code="rate_limit_exceeded", headers=retry)


def draining() -> ApiError:
    """The error for a request that comes after the server was asked to stop."""
    close = {"retry-after": "1", "connection": "close"}
    return ApiError("the server is stopping: ask again later", status=503, kind="server_error", headers=close)


def took_too_long(seconds: float) -> ApiError:
    """The error for an answer that is not complete in its time."""
    return ApiError(
        f"the answer took longer than {seconds:g} seconds: ask for fewer characters", status=504, kind="server_error"
    )


def unexpected() -> ApiError:
    """The error for a fault of the server, about which its log says more."""
    return ApiError("the server has failed at this request", status=500, kind="server_error")


def to_json(data: Any) -> bytes:
    """The bytes of JSON data, in UTF-8; half a surrogate pair, which no JSON reader takes, becomes U+FFFD."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return SURROGATE.sub("\ufffd", text).encode()
