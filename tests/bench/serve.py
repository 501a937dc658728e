"""`charrnn serve` with many clients at once: characters per second, first characters, and what it keeps.

    python tests/bench/serve.py
    python tests/bench/serve.py --shape 1x512 --clients 16 --requests 100000

The model is an LSTM with random weights. Clients ask for streams over connections that they keep, one text after the
other; they begin within a second, as people do, or with `--together` all at the same moment. What they get is counted
while all of them ask. `charrnn sample --count CLIENTS` draws as many texts; the time that it takes for short ones is
subtracted. Rounds of both alternate; the table has the medians of the rounds. Then many short requests show whether RAM
and open files grow. Prints Markdown.
"""

import argparse
import json
import math
import random
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from charrnn.checkpoint import model_file
from charrnn.checkpoint.model_file import Checkpoint
from support.processes import PROGRAM, environment
from support.random_models import random_model
from support.serving import Served, post, serving

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))
"""As many different ones as tinyshakespeare has, 65."""
REQUESTS = 16
"""The different ones of a client: with those of the others, more than the prompts whose states the server keeps."""


class Round(NamedTuple):
    """What one round of clients had."""

    chars_per_second: float
    firsts: list[float]
    """The seconds from each request to its first character."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="charrnn serve with many clients at once.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--shape", default="2x128", help="layers x units")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--length", type=int, default=1000, help="characters of a text")
    parser.add_argument("--seconds", type=float, default=5, help="how long clients ask in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000, help="short requests that show what it keeps")
    parser.add_argument("--together", action="store_true", help="all clients begin at the same moment")
    return parser.parse_args()


class Clients:
    """Clients that ask side by side, each for one text after the other, over plain sockets in one thread.

    They share the cores with the server, so they do as little as a client can: they look for the first event and the
    end, keep what they get, and check it when all of them are done.
    """

    def __init__(self, port: int, length: int, until: float, texts: float = math.inf):
        """They stop at a time, or after so many texts each."""
        self.port, self.length, self.until, self.texts = port, length, until, texts
        self.firsts: list[float] = []
        self.ends: list[float] = []
        """When each text ended."""
        self.answers: list[bytes] = []

    def ask(self, connection: socket.socket, requests: Sequence[bytes]) -> Generator[None, bytes, None]:
        """A client with requests of its own, which it repeats; what its connection receives is sent to it."""
        n = 0
        while time.perf_counter() < self.until and n < self.texts:
            began, first, n = time.perf_counter(), 0.0, n + 1
            connection.sendall(requests[n % len(requests)])
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                data = yield
                if not data:
                    raise ConnectionError(received)
                if not first and b"data: " in data:
                    first = time.perf_counter() - began
                received += data
            self.firsts.append(first)
            self.ends.append(time.perf_counter())
            self.answers.append(received)

    def _requests(self, seed: int) -> list[bytes]:
        """What a client asks for."""
        rng, fields = random.Random(seed), {"max_tokens": self.length, "stream": True}
        prompts = ["".join(rng.choices(CHARACTERS[1:], k=20)) for _ in range(REQUESTS)]
        bodies = [fields | {"prompt": prompt, "seed": rng.randrange(10**6)} for prompt in prompts]
        return [post(json.dumps(body).encode()) for body in bodies]

    def run(self, delays: Sequence[float]) -> None:
        """One client for each delay, the shortest first."""
        waiting = deque((delay, self._requests(seed)) for seed, delay in enumerate(delays))
        began = time.perf_counter()
        with selectors.DefaultSelector() as selector:
            while waiting or selector.get_map():
                while waiting and began + waiting[0][0] <= time.perf_counter():
                    _, requests = waiting.popleft()
                    connection = socket.create_connection(("127.0.0.1", self.port))
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ, client := self.ask(connection, requests))
                    next(client)
                due = began + waiting[0][0] - time.perf_counter() if waiting else None
                for key, _ in selector.select(due):
                    try:
                        key.data.send(key.fileobj.recv(1 << 14))
                    except StopIteration:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
        for answer in self.answers:
            check(answer, self.length)


def check(answer: bytes, length: int) -> None:
    """Raises an error for an answer that is not a whole stream of a text of this length."""
    head, _, body = answer.partition(b"\r\n\r\n")
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        content, body = content + body[: int(size, 16)], body[int(size, 16) + 2 :]
    *events, done, end = content.decode().split("\n\n")
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert (done, end) == ("data: [DONE]", "")
    assert sum(len(choice["text"]) for choice in choices) == length
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]


def ask_for_texts(port: int, options: argparse.Namespace) -> Round:
    """A round of clients. A text takes less than the second after which it is counted."""
    ramp = 0.001 if options.together else 1.0
    began = time.perf_counter()
    clients = Clients(port, options.length, began + ramp + 1 + options.seconds)
    clients.run([ramp * k / options.clients for k in range(options.clients)])
    done = sum(began + ramp + 1 <= end <= clients.until for end in clients.ends)
    return Round(done * options.length / options.seconds, clients.firsts)


def sampling_seconds(path: Path, count: int, length: int) -> float:
    """The seconds that `charrnn sample` takes."""
    line = [
        *PROGRAM,
        "sample",
        str(path),
        "--count",
        str(count),
        "--length",
        str(length),
        "--engine",
        "auto",
        "--quiet",
    ]
    began = time.perf_counter()
    subprocess.run([*line, "--seed", "1"], stdout=subprocess.DEVNULL, check=True, env=environment())
    return time.perf_counter() - began


def percentile(values: list[float], part: float) -> float:
    """The value below which a part of the values is."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def compare(server: Served, path: Path, options: argparse.Namespace) -> None:
    """Prints the table of clients and of `charrnn sample`."""
    served, sampled, ratios, firsts = [], [], [], list[float]()
    for n in range(options.rounds + 1):
        found = ask_for_texts(server.port, options)
        length = round(options.seconds * found.chars_per_second / options.clients)
        start = sampling_seconds(path, options.clients, 100)  # for fewer characters it would take another engine
        drawn = options.clients * (length - 100) / (sampling_seconds(path, options.clients, length) - start)
        print(f"round {n}: {found.chars_per_second:,.0f} and {drawn:,.0f} a second", file=sys.stderr)
        if n:  # the first one only warms up
            served.append(found.chars_per_second)
            sampled.append(drawn)
            ratios.append(found.chars_per_second / drawn)
            firsts += found.firsts
    print("| clients | served, characters/s | sampled, characters/s | ratio | first character, ms | 99 % below, ms |")
    print("|---:|---:|---:|---:|---:|---:|")
    speeds = f"{statistics.median(served):,.0f} | {statistics.median(sampled):,.0f} | {statistics.median(ratios):.2f}"
    times = f"{1000 * statistics.median(firsts):.1f} | {1000 * percentile(firsts, 0.99):.1f}"
    print(f"| {options.clients} | {speeds} | {times} |\n")


def soak(server: Served, options: argparse.Namespace) -> None:
    """Prints RAM and open files after each tenth of many short requests."""
    print("| requests | RAM, MB | open files |\n|---:|---:|---:|")
    each = max(1, options.requests // (10 * options.clients))
    for n in range(1, 11):
        clients = Clients(server.port, 5, math.inf, each)
        clients.run([0.0] * options.clients)
        ram, files = server.metric("process_resident_memory_bytes"), server.metric("process_open_fds")
        print(f"| {n * each * options.clients:,} | {ram / 1e6:.1f} | {files:.0f} |", flush=True)


def main() -> None:
    """Measures, and prints the tables."""
    options = arguments()
    layers, units = map(int, options.shape.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        model_file.save(path, Checkpoint(random_model("lstm", CHARACTERS, layers=layers, hidden_size=units)))
        with serving(path, "--batch-size", options.clients, cwd=Path(folder)) as server:
            compare(server, path, options)
            soak(server, options)


if __name__ == "__main__":
    main()
