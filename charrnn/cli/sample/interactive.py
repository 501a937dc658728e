"""The interactive mode of `charrnn sample`: you type a prime, the model continues it, and commands change settings."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from charrnn.cli.terminal.console import Output, notice
from charrnn.errors import CharRNNError
from charrnn.model.model import Model
from charrnn.sampling.generate import TextGenerator
from charrnn.sampling.request import SamplingRequest

HELP = (
    "type a prime and read its continuation; an empty line starts a new text",
    "/temp 0.7  /top-k 10  /top-p 0.9  /min-p 0.05  /typical 0.9  /loop-penalty 1  /ban a-z  /allow a-z",
    "/length 500  /seed 7  /help  /quit",
)
REQUEST_FIELDS = {"length": int, "seed": int}
CONFIG_FIELDS = {
    "temp": float,
    "top_k": int,
    "top_p": float,
    "min_p": float,
    "typical": float,
    "loop_penalty": float,
    "allow": str,
    "ban": str,
}


def converse(model: Model, request: SamplingRequest, clean: Callable[[str], str], output: Output) -> None:
    """Reads primes and commands until the input ends, and continues each prime; each text has the next seed.

    `clean` makes a valid prime of what was typed, or raises `VocabularyError`.
    """
    with suppress(ImportError):
        import readline  # noqa: F401 - gives input() history and editing
    if sys.stdin.isatty():
        _show_help()
    while True:
        try:
            typed = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        try:
            if typed.startswith("/"):
                if typed.strip() == "/quit":
                    return
                request = _changed(request, typed)
                continue
            prime = clean(typed)
            output.write(prime)
            with suppress(KeyboardInterrupt):  # it ends this text, not the conversation
                for piece in TextGenerator(model, request, prime=prime).pieces():
                    output.write(piece)
            output.line()
            output.flush()
            request = replace(request, seed=request.seed + 1)
        except CharRNNError as error:
            notice(f"charrnn: {error}")


def _changed(request: SamplingRequest, typed: str) -> SamplingRequest:
    """The request after a command. Raises `ConfigError` for a value out of range."""
    name, _, value = typed[1:].partition(" ")
    name = name.replace("-", "_")
    try:
        if name in REQUEST_FIELDS:
            changes: dict[str, Any] = {name: REQUEST_FIELDS[name](value)}
            return replace(request, **changes)
        if name in CONFIG_FIELDS:
            changes = {name: CONFIG_FIELDS[name](value)}
            return replace(request, config=replace(request.config, **changes))
        _show_help()
    except ValueError:
        notice(f"charrnn: {typed!r} needs a number")
    return request


def _show_help() -> None:
    for line in HELP:
        notice(line)
