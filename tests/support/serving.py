"""`charrnn serve` as a process: started on a free port, asked over plain connections, and stopped."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.processes import started


class Served:
    """A running server, and the lines of its log so far."""

    def __init__(self, process: Any):
        self.process, self.lines = process, list[str]()
        self.url = ""
        self.is_up = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.is_up.wait(60), self.lines
        assert self.url, self.lines
        self.port = int(self.url.rpartition(":")[2])

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))
            if not self.url and (found := re.fullmatch(r"serving .* at (http://\S+)", self.lines[-1])):
                self.url = found[1]
                self.is_up.set()
        self.is_up.set()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def ask(self, path: str, data: Any = None, *, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """The status and the JSON, or else the text, of an answer; with data, of a POST."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {"content-type": "application/json"} | (headers or {})
        body = None if data is None else data if isinstance(data, bytes) else json.dumps(data)
        connection.request("GET" if data is None else "POST", path, body, named)
        answer = connection.getresponse()
        content, kind = answer.read(), answer.headers["content-type"]
        connection.close()
        return answer.status, json.loads(content) if kind == "application/json" else content.decode()

    def text(self, **fields: Any) -> str:
        """The text of a completion."""
        status, answer = self.ask("/v1/completions", fields)
        assert status == 200, answer
        return str(answer["choices"][0]["text"])

    def metric(self, name: str) -> float:
        """The value of a metric, by its name with its labels."""
        _, text = self.ask("/metrics")
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])

    def connect(self) -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def post(body: bytes, path: str = "/v1/completions", *headers: str) -> bytes:
    """The bytes of a POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@contextmanager
def serving(*args: object, cwd: Path, env: dict[str, str] | None = None) -> Iterator[Served]:
    """A server of models."""
    with started("serve", *args, "--port", 0, cwd=cwd, env=env) as process:
        served = Served(process)
        try:
            yield served
        finally:
            process.kill()
            served.reader.join(10)  # before its pipe is closed
