"""The line input of the interactive mode: lines that are typed on a terminal, or that come through a pipe."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from charrnn.cli.sample.primes import ARRIVAL_BLOCK
from charrnn.dataset.escapes import unescape
from charrnn.dataset.files import STDIN, read_parts
from charrnn.dataset.line_reader import read_lines
from charrnn.errors import ConfigError
from charrnn.model.model import Model

QUOTES = '"""'
"""Begins and ends a text of several lines."""
MAX_HISTORY = 1000
"""The most lines that are remembered from earlier runs."""


class LineInput:
    """Reads lines. On a terminal they can be edited, and earlier ones come again, if Python has readline."""

    def __init__(self, model: Model, encoding: str | None, keep_history: bool, notice: Callable[[str], None]):
        """`encoding` is that of a terminal, if it is not the one of its locale.

        With `keep_history`, lines of earlier runs come again too: they are kept in the user's state folder. Raises
        `ConfigError` for an encoding that no terminal has.
        """
        self.notice = notice
        self.is_terminal = sys.stdin.isatty()
        self.shows_output = self.is_terminal and sys.stdout.isatty()
        """Whether what is written comes to the same terminal."""
        self.readline = _readline() if self.shows_output else None
        self.history: Path | None = None
        if encoding is not None:
            encoding = model.text_form.encoding  # by its usual name
        if self.is_terminal and encoding is not None and "\n".encode(encoding) != b"\n":
            raise ConfigError(f"no terminal sends {encoding}: give another --encoding, or leave it out")
        if isinstance(sys.stdin, io.TextIOWrapper):  # bytes that can't be decoded are unknown characters
            sys.stdin.reconfigure(encoding=encoding, errors="surrogateescape")
        self.piped = iter(()) if self.is_terminal else _piped_lines(model)
        """The lines that come through a pipe."""
        if keep_history:
            self._open_history()

    def read(self, prompt: str, text: str = "") -> str:
        """The next line; on a terminal, it begins as `text`. Raises `EOFError` at the end, `KeyboardInterrupt`."""
        if not self.is_terminal:
            for line in self.piped:
                return line
            raise EOFError
        try:
            return self._typed(prompt, text)
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)  # the line of the prompt has ended
            raise

    def _typed(self, prompt: str, text: str) -> str:
        readline = self.readline
        if readline is None:
            where = sys.stdout if self.shows_output else sys.stderr  # stdout is only for what is written
            print(prompt, end="", file=where, flush=True)
            return input()
        before = readline.get_current_history_length()
        readline.set_startup_hook(lambda: readline.insert_text(_as_locale_reads(text)))
        try:
            typed = input(prompt)
        finally:
            readline.set_startup_hook(None)
        if self.history is not None and readline.get_current_history_length() > before:
            self._keep()
        return typed

    def read_text(self, first: str, name: str) -> str:
        """The text that a line gives, or that it begins and further lines complete; `name` says what it is."""
        if not first.startswith(QUOTES):
            return unescape(first, name)
        lines = [first.removeprefix(QUOTES)]
        with suppress(EOFError):  # the end of the input ends the text too
            while not lines[-1].endswith(QUOTES):
                lines.append(self.read("... "))
        return "\n".join(lines).removesuffix(QUOTES).removeprefix("\n")

    @property
    def has_begun(self) -> bool:
        """Whether Ctrl-C has come within a line, of which something had been typed."""
        return self.readline is not None and bool(self.readline.get_line_buffer())

    def _open_history(self) -> None:
        if self.readline is None:
            why = "this Python has no readline" if self.is_terminal else "the lines don't come from a terminal"
            self.notice(f"--history has no effect: {why}")
            return
        path = history_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))  # what one types is one's own affair
            if path.stat().st_size:  # libedit, which some Pythons have in the place of readline, reads no empty file
                self.readline.read_history_file(path)
            self.readline.set_history_length(MAX_HISTORY)
            self.history = path
        except OSError as error:
            self._give_up(path, error)

    def _keep(self) -> None:
        """Adds the last line to the history file: a run that is killed has lost none."""
        assert self.readline is not None
        assert self.history is not None
        try:
            if hasattr(self.readline, "append_history_file"):
                self.readline.append_history_file(1, self.history)
            else:  # libedit
                self.readline.write_history_file(self.history)
        except OSError as error:
            self._give_up(self.history, error)

    def _give_up(self, path: Path, error: OSError) -> None:
        self.history = None
        self.notice(f"the history can't be kept in {path}: {error.strerror or error}")


def history_path() -> Path:
    """The file of the history, in the folder for the state of a user's programs."""
    if os.name == "nt":
        parent = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        parent = os.environ.get("XDG_STATE_HOME", "")
        parent = parent if os.path.isabs(parent) else "~/.local/state"  # as the specification of XDG has it
    return Path(parent).expanduser() / "charrnn" / "history"


def _piped_lines(model: Model) -> Iterator[str]:
    """The lines of stdin as they arrive, read as all texts of the model are; their normal form comes later, since
    commands name files.
    """
    vocabulary, form = model.vocabulary, replace(model.text_form, normalization="none")
    parts = read_parts([STDIN], ARRIVAL_BLOCK, as_is=vocabulary.is_bytes, encoding=form.encoding)
    for lines in read_lines(parts, vocabulary, form):
        yield from (line.text.removesuffix("\n") for line in lines)


def _as_locale_reads(text: str) -> str:
    """The text whose bytes in the encoding of the locale, which readline writes, are those of a text in stdin's."""

    def encoded(c: str) -> bytes:
        try:
            return c.encode(sys.stdin.encoding, "surrogateescape")
        except UnicodeEncodeError:  # the terminal can't show it, and so it is an escape
            return b"\\U%08x" % ord(c)

    return os.fsdecode(b"".join(map(encoded, text)))


def _readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:  # on Windows
        return None
    return readline
