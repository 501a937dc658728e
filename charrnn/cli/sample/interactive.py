"""A conversation with a model: a prime is typed, what follows is written, and settings change with commands."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from charrnn.cli.terminal.console import Output, notice
from charrnn.errors import CharRNNError
from charrnn.sampling import generate

if TYPE_CHECKING:
    from charrnn.model.model import Model

HELP = """type a prime and read what follows; an empty line begins afresh
/temp 0.7  /top-k 10  /top-p 0.9  /min-p 0.05  /typical 0.9  /penalty 1  /ban a-z  /allow a-z
/length 500  /seed 7  /help  /quit"""
WHOLE = {"length": int, "seed": int}
SETTINGS = {"temp": float, "top_k": int, "top_p": float, "min_p": float, "typical": float, "penalty": float}
TEXTS = ("allow", "ban")


def converse(model: "Model", admit: Callable[[str], str], output: Output, asked: dict[str, Any]) -> None:
    """Reads primes and commands until there are no more; `asked` are the arguments of `sampling.generate`."""
    with suppress(ImportError):
        import readline  # noqa: F401 - gives input() history and editing
    asked = dict(asked)
    if sys.stdin.isatty():
        notice(HELP)
    while True:
        try:
            typed = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        try:
            if typed.startswith("/"):
                if typed.strip() == "/quit":
                    return
                _change(asked, typed)
                continue
            prime = admit(typed)
            output.write(prime)
            try:
                for piece in generate.TextGenerator(model, prime=prime, **asked).pieces():
                    output.write(piece)
            except KeyboardInterrupt:  # ends this text, not the conversation
                pass
            asked["seed"] += 1
            output.line()
            output.flush()
        except CharRNNError as error:
            notice(f"charrnn: {error}")


def _change(asked: dict[str, Any], typed: str) -> None:
    """Does what a command says; raises `ConfigError` for what can't be, and leaves all as it was."""
    name, _, value = typed[1:].partition(" ")
    name = name.replace("-", "_")
    try:
        if name in WHOLE:
            asked[name] = WHOLE[name](value)
        elif name in SETTINGS:
            asked["config"] = replace(asked["config"], **{name: SETTINGS[name](value)})
        elif name in TEXTS:
            asked["config"] = replace(asked["config"], **{name: value})
        else:
            notice(HELP)
    except ValueError:
        notice(f"charrnn: {typed!r} wants a number")
