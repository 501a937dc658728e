"""The console that the commands share: notices on stderr, text on stdout, and signals."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from charrnn.cli.terminal.setting_names import as_options
from charrnn.dataset.control_characters import one_line, visible

STARTED = time.monotonic()
"""When the program started."""
FLUSH_AFTER = 0.05
"""The most seconds that text waits in a buffer while more is written."""
REPEAT_WINDOW = 0.5
"""Seconds within which a repeated signal counts as one: a shell and a wrapper may both pass it on."""
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those that a system has: Ctrl-Break is one of Windows."""
CLOSED_PIPE = (errno.EPIPE, errno.EINVAL) if sys.platform == "win32" else (errno.EPIPE,)
"""The errors of writing to a pipe that nobody reads."""


def is_closed_pipe(error: BaseException | None) -> bool:
    """Whether an error means that nobody reads the output any more, rather than that a file can't be written."""
    return isinstance(error, OSError) and error.errno in CLOSED_PIPE and error.filename is None


def notice(text: str) -> None:
    """Prints a line on stderr for the person at the terminal, with the settings that the library names as options."""
    show(as_options(text))


def show(text: str) -> None:
    """Prints a line on stderr as it is: stdout carries only the product."""
    line = one_line(text) + "\n"  # written at once: what another process writes can't come before the newline
    with suppress(OSError):
        try:  # there may be a progress bar on this line of the terminal
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr, end="")
        except (KeyError, AttributeError):
            sys.stderr.write(line)
        sys.stderr.flush()


def silent(text: str) -> None:
    """Prints nothing: `notice` for --quiet."""


def notifier(quiet: bool) -> Callable[[str], None]:
    """The function that prints notices."""
    return silent if quiet else notice


def model_file(given: Path | None, notice: Callable[[str], None], use_bundled: bool = True) -> Path:
    """The model's file: the given one or, with a notice, the newest; if there is none, the one that comes with charrnn.

    That one is a language model: commands for other models do not `use_bundled`. Raises `CheckpointError` if there is
    no model.
    """
    if given is not None:
        return given
    from charrnn.checkpoint.paths import BUNDLED, FOLDER, bundled_model, models, newest

    if use_bundled and not models() and (path := bundled_model()) is not None:
        notice(f"model: {BUNDLED}, which comes with charrnn (there is none in {FOLDER}{os.sep})")
        return path
    path = newest()
    notice(f"model: {path}")
    return path


def unit(text: str) -> tuple[int, int]:
    """The layer and index of a unit. Raises `ConfigError` for other text.

    An index alone has the layer -1: only the model, whose `check_unit` refuses it, knows which layers there are.
    """
    from charrnn.errors import ConfigError

    layer, colon, index = text.partition(":")
    if not colon and text.isascii() and text.isdigit() and len(text) < 9:
        return -1, int(text)
    if not all(number.isascii() and number.isdigit() and len(number) < 9 for number in (layer, index)):
        raise ConfigError(f"a unit is LAYER:INDEX, such as 0:17, not {text!r}")
    return int(layer), int(index)


@contextmanager
def spinning(text: str, quiet: bool) -> Iterator[None]:
    """Shows a spinner during work that may take seconds; nothing if stderr is not a terminal."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def as_utf8(text: str) -> bytes:
    """The bytes of a text; those that were not valid UTF-8 when they were read are as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which reading a file never makes
        return text.encode("utf-8", "replace")


class Output:
    """Standard output as a stream of UTF-8 text, flushed as it is written; on a terminal it ends with a newline."""

    def __init__(self, safe: bool | None = None) -> None:
        """With `safe`, by default on a terminal, control characters are written as escapes: it might obey them."""
        self.buffer = sys.stdout.buffer
        self.safe = sys.stdout.isatty() if safe is None else safe
        self.last = "\n"
        self.flushed = 0.0

    def write(self, text: str, own: bool = False) -> None:
        """Writes text; bytes that were not valid UTF-8 when they were read are written unchanged.

        What is the user's `own`, such as NUL between samples, is never written as escapes.
        """
        written = visible(text) if self.safe and not own else text
        self.buffer.write(as_utf8(written))
        self.last = text[-1:] or self.last
        if (now := time.monotonic()) - self.flushed > FLUSH_AFTER:
            self.buffer.flush()
            self.flushed = now

    def line(self) -> None:
        """Ends the current line, if one has begun."""
        if self.last != "\n":
            self.write("\n")

    def flush(self) -> None:
        """Flushes the buffer."""
        self.buffer.flush()

    def close(self) -> None:
        """Ends the line on a terminal, and flushes."""
        if sys.stdout.isatty():
            self.line()
        self.flush()


@contextmanager
def default_interrupt() -> Iterator[None]:
    """Lets Ctrl-C end the process silently: a compiler may treat the exception as an error of its own."""
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interruption_told(notice: Callable[[str], None], what: str) -> Iterator[None]:
    """Says what an interruption of the block means, and lets it end the program."""
    try:
        yield
    except KeyboardInterrupt:
        notice(f"interrupted: {what}")
        raise


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C has come since the block began; a second one ends the program."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            raise SystemExit(128 + number)
        received.append(number)

    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_signals() -> Iterator[dict[int, float]]:
    """Collects the signals that ask the program to stop, with their times; a repeated signal ends it at once.

    If a signal came, later ones end the process silently after the block.
    """
    received: dict[int, float] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if number not in received:
            received[number] = time.monotonic()
        elif time.monotonic() - received[number] > REPEAT_WINDOW:
            raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
    # A signal that the parent ignores, as nohup does SIGHUP, stays ignored
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in handled}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if received else handler)
