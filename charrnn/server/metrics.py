"""The metrics: what the server has done and does, in the text form that Prometheus reads."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping

import psutil

from charrnn.version import VERSION

FIRST_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""The upper bounds, in seconds, of the times to the first character."""
ANSWER_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0)
"""Those of the times of whole answers."""


class Histogram:
    """How many values are at most each of some bounds."""

    def __init__(self, bounds: tuple[float, ...]):
        self.bounds, self.counts, self.total, self.n = bounds, [0] * len(bounds), 0.0, 0

    def add(self, value: float) -> None:
        """Counts a value."""
        self.total, self.n = self.total + value, self.n + 1
        for k, bound in enumerate(self.bounds):
            self.counts[k] += value <= bound

    def lines(self, name: str) -> Iterator[str]:
        """The lines of the text form."""
        for bound, count in zip(self.bounds, self.counts, strict=True):
            yield f'{name}_bucket{{le="{bound:g}"}} {count}'
        yield f'{name}_bucket{{le="+Inf"}} {self.n}'
        yield f"{name}_sum {self.total:.6f}"
        yield f"{name}_count {self.n}"


class Metrics:
    """The counters of a server. They are changed in its own thread only."""

    def __init__(self) -> None:
        self.requests = Counter[tuple[str, int]]()
        """By path and status."""
        self.prompt_chars, self.chars = Counter[str](), Counter[str]()
        """The characters of prompts and completions, by model."""
        self.disconnected = 0
        """The clients that left before their answer was complete."""
        self.first_seconds, self.answer_seconds = Histogram(FIRST_BOUNDS), Histogram(ANSWER_BOUNDS)

    def text(self, drawn: int, waiting: int, loads: Mapping[str, int]) -> str:
        """The text form; `loads` has how often each model was loaded again."""
        process = psutil.Process()
        lines = [*_family("charrnn_info", "gauge", "The version.", [f'charrnn_info{{version="{VERSION}"}} 1'])]
        lines += _family(
            "charrnn_requests_total",
            "counter",
            "Requests that were answered, by path and status.",
            [f'charrnn_requests_total{{path="{path}",status="{code}"}} {n}' for (path, code), n in self._requests()],
        )
        for name, text, found in (
            ("charrnn_prompt_characters_total", "Characters of prompts.", self.prompt_chars),
            ("charrnn_characters_total", "Characters of completions.", self.chars),
            ("charrnn_reloads_total", "How often a model was loaded again because its file had changed.", loads),
        ):
            rows = [f'{name}{{model="{_escaped(model)}"}} {n}' for model, n in sorted(found.items())]
            lines += _family(name, "counter", text, rows)
        for name, kind, text, value in (
            ("charrnn_disconnects_total", "counter", "Clients that left before their answer.", self.disconnected),
            ("charrnn_texts_drawn", "gauge", "Texts that are being drawn.", drawn),
            ("charrnn_texts_waiting", "gauge", "Texts that wait to be drawn.", waiting),
            ("process_resident_memory_bytes", "gauge", "Memory in use.", process.memory_info().rss),
            (
                "process_open_fds",
                "gauge",
                "Open files and connections.",
                process.num_fds() if os.name == "posix" else 0,
            ),
        ):
            lines += _family(name, kind, text, [f"{name} {value}"])
        for name, text, histogram in (
            ("charrnn_first_character_seconds", "From a request to its first character.", self.first_seconds),
            ("charrnn_answer_seconds", "From a request for completions to its end.", self.answer_seconds),
        ):
            lines += _family(name, "histogram", text, histogram.lines(name))
        return "\n".join(lines) + "\n"

    def _requests(self) -> list[tuple[tuple[str, int], int]]:
        return sorted(self.requests.items())


def _family(name: str, kind: str, text: str, rows: Iterator[str] | list[str]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *rows]


def _escaped(label: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        label = label.replace(plain, escaped)
    return label.encode("utf-8", "replace").decode()
