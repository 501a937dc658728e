"""The interactive mode of `charrnn sample`: you type a prime, the model continues it, and commands change settings."""

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from charrnn.cli.sample import ends
from charrnn.cli.terminal.console import Output, notice
from charrnn.dataset.escapes import unescape
from charrnn.errors import CharRNNError, ConfigError
from charrnn.model.model import Model
from charrnn.sampling.generate import TextGenerator
from charrnn.sampling.request import SamplingRequest

HELP = (
    r"type a prime and read its continuation; an empty line starts a new text; \n is a newline, \\ a backslash",
    'several lines: begin the first with """ and end the last with """; between them, everything is text as it is',
    "/temp 0.7  /top-k 10  /top-p 0.9  /min-p 0.05  /typical 0.9  /loop-penalty 1  /ban a-z  /allow a-z",
    "/length 500  /min-length 100  /seed 7  /end sentence  /help  /quit",
    r"/stop TEXT or /stop-after TEXT adds a text that ends what is written, such as \n; without a text they remove all",
    "a line that begins with / and no such command is text; so is one that begins with //, without the first /",
)
REQUEST_FIELDS = {"length": int, "seed": int, "min_length": int}
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
END_FIELDS = {"stop": "stops", "stop_after": "stop_after", "end": "end"}
"""The commands that say where a text ends, and their fields of a `SamplingRequest`."""
QUOTES = '"""'


def converse(
    model: Model,
    request: SamplingRequest,
    clean: Callable[[str], str],
    output: Output,
    echo: bool = True,
    ends_are_fixed: bool = False,
) -> None:
    """Reads primes and commands until the input ends, and continues each prime; each text has the next seed.

    `clean` makes a valid prime of what was typed, or raises `VocabularyError`. Without `echo`, the prime is not
    repeated; if `ends_are_fixed`, commands can't change where a text ends.
    """
    with suppress(ImportError):
        import readline  # noqa: F401 - gives input() history and editing
    if isinstance(sys.stdin, io.TextIOWrapper):  # bytes that are no text are characters that the model may not know
        sys.stdin.reconfigure(errors="surrogateescape")
    if sys.stdin.isatty():
        _show_help()
    while True:
        try:
            typed = _line("> ")
        except EOFError:
            return
        try:
            name, value = _command(typed)
            if name == "quit":
                return
            if name:
                request = _changed(model, request, name, value, ends_are_fixed)
                continue
            prime = clean(_prime(typed))
            text = TextGenerator(model, request, prime=prime)
            output.write(prime if echo else "")
            written = False
            try:
                for piece in text.pieces():
                    output.write(piece)
                    written = True
            except KeyboardInterrupt:  # it ends this text, not the conversation
                written = True
            finally:  # an error ends the line too
                output.line()
                output.flush()
            if request.end and not written:
                notice(ends.without_sentence(request, 1))
            request = replace(request, seed=request.seed + 1)
        except CharRNNError as error:
            notice(f"charrnn: {error}")


def _line(prompt: str) -> str:
    """The next line of the input. Raises `EOFError` at its end."""
    return input(prompt if sys.stdin.isatty() else "")


def _command(typed: str) -> tuple[str, str]:
    """The name of a command, in the spelling of a field, and its value; without a name, the line is text."""
    if typed.rstrip() in ("/help", "/quit"):
        return typed.strip("/ \t"), ""
    name, _, value = typed.partition(" ")
    name = name[1:].replace("-", "_") if name.startswith("/") else ""
    return (name, value) if name in (*REQUEST_FIELDS, *CONFIG_FIELDS, *END_FIELDS) else ("", "")


def _prime(typed: str) -> str:
    """The prime that a line gives, or that it begins and further lines complete."""
    if typed.startswith(QUOTES):
        lines = [typed.removeprefix(QUOTES)]
        with suppress(EOFError):  # the end of the input ends the text too
            while not lines[-1].endswith(QUOTES):
                lines.append(_line("... "))
        return "\n".join(lines).removesuffix(QUOTES).removeprefix("\n")
    return unescape(typed[1:] if typed.startswith("//") else typed, "the prime")


def _changed(model: Model, request: SamplingRequest, name: str, value: str, ends_are_fixed: bool) -> SamplingRequest:
    """The request after a command. Raises `ConfigError` for a value out of range."""
    try:
        if name in REQUEST_FIELDS:
            changes: dict[str, Any] = {name: REQUEST_FIELDS[name](value)}
            return replace(request, **changes)
        if name in CONFIG_FIELDS:
            changes = {name: CONFIG_FIELDS[name](value)}
            return _checked(model, replace(request, config=replace(request.config, **changes)))
        if name in END_FIELDS:
            if ends_are_fixed:
                raise ConfigError("--match says where a text ends: leave it out to change that")
            return _checked(model, _with_end(model, request, name, value))
        _show_help()
    except ValueError:
        notice(f"charrnn: /{name.replace('_', '-')} needs a number, not {value!r}")
    return request


def _with_end(model: Model, request: SamplingRequest, name: str, value: str) -> SamplingRequest:
    """The request with another end of its texts, or without those of this kind."""
    changes: dict[str, Any] = {"end": value.strip() or None}
    if name != "end":
        field = END_FIELDS[name]
        always = [model.end] if model.reads_lines and field == "stops" else []
        changes = {field: [*getattr(request, field), unescape(value, f"/{name}")] if value else always}
    return replace(request, **changes)


def _checked(model: Model, request: SamplingRequest) -> SamplingRequest:
    """The request, with a notice for each text that should end what is written, and never comes.

    Raises `ConfigError` for an invalid character set.
    """
    for line in ends.impossible(model, request):
        notice(line)
    return request


def _show_help() -> None:
    for line in HELP:
        notice(line)
