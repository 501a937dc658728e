"""What the commands share of the terminal: notices on stderr, text on stdout, and signals."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

STARTED = time.monotonic()
"""When the program did."""
FLUSH_AFTER = 0.05
"""Seconds that text may wait in a buffer before it is passed on."""
REPEAT_WINDOW = 0.5
"""Seconds within which a signal that comes twice was meant once: a shell and a wrapper may both pass it on."""
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")


def notice(text: str) -> None:
    """A line for the person at the terminal, if anybody listens: never on stdout, which carries the product alone."""
    with suppress(OSError):
        try:  # a bar may stand where the line goes, once there is one
            sys.modules["tqdm"].tqdm.write(one_line(text), file=sys.stderr)
        except (KeyError, AttributeError):
            print(one_line(text), file=sys.stderr)
        sys.stderr.flush()


def silent(text: str) -> None:
    """`notice` for those who asked for quiet."""


def notifier(quiet: bool) -> Callable[[str], None]:
    """What to say notices with."""
    return silent if quiet else notice


def model_file(given: Path | None, notice: Callable[[str], None]) -> Path:
    """The file of the model that was asked for: where none is named the newest, and a notice says which that is."""
    if given is not None:
        return given
    from charrnn.checkpoint.naming import newest

    path = newest(Path("checkpoints"))
    notice(f"model: {path}")
    return path


def visible(text: str, sent: str = "\n\t") -> str:
    """A text with its control characters shown instead of sent to the terminal, but for these."""
    return "".join(c if c.isprintable() or c in sent else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """A text with its control characters shown, line ends too: a name may have any."""
    return visible(text, "\t")


def unit(text: str) -> tuple[int, int]:
    """A unit by its layer and index. Raises `ConfigError` for what is none."""
    from charrnn.errors import ConfigError

    layer, _, index = text.partition(":")
    if not all(number.isascii() and number.isdigit() and len(number) < 9 for number in (layer, index)):
        raise ConfigError(f"a unit is LAYER:INDEX, such as 0:17, not {text!r}")
    return int(layer), int(index)


def tell_of_compilation(engine: str, quiet: bool) -> None:
    """Says so while the numba engine is compiled: else a first step seems to hang. On a terminal something turns."""
    if engine != "numba" or quiet:
        return
    from charrnn.engine import on_compilation

    text = "compiling the numba engine for this machine: some fifteen seconds, this once"
    shown: list[Status] = []
    told: list[bool] = []

    def begin() -> None:
        if sys.stderr.isatty():
            if not shown:
                from rich.console import Console
                from rich.status import Status

                shown.append(Status(text, console=Console(stderr=True)))
            shown[0].start()
        elif not told:
            notice(text)
            told.append(True)

    def end() -> None:
        for status in shown:
            status.stop()

    on_compilation(begin, end)


@contextmanager
def spinning(text: str, quiet: bool) -> Iterator[None]:
    """Something that turns on the terminal while work is done that may take seconds; where it is none, nothing."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


class Output:
    """Standard output as a stream of text in UTF-8, passed on as it is made; on a terminal it ends with a line end."""

    def __init__(self, safe: bool = False) -> None:
        """With `safe` control characters are shown, and not sent: a terminal might obey them."""
        self.buffer = sys.stdout.buffer
        self.safe = safe
        self.last = "\n"
        self.flushed = 0.0

    def write(self, text: str) -> None:
        """Writes text; bytes that were no UTF-8 when they were read come out as they went in."""
        sent = visible(text) if self.safe else text
        try:
            self.buffer.write(sent.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:  # half a character of another encoding, which no reading of a file makes
            self.buffer.write(sent.encode("utf-8", "replace"))
        self.last = text[-1:] or self.last
        if (now := time.monotonic()) - self.flushed > FLUSH_AFTER:
            self.buffer.flush()
            self.flushed = now

    def line(self) -> None:
        """Ends the line, where it isn't ended."""
        if self.last != "\n":
            self.write("\n")

    def flush(self) -> None:
        """Passes on what may still wait in a buffer."""
        self.buffer.flush()

    def close(self) -> None:
        if sys.stdout.isatty():
            self.line()
        self.flush()


@contextmanager
def default_interrupt() -> Iterator[None]:
    """Has Ctrl-C end the process without a word: a compiler may take the exception for an error of its own."""
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_signals() -> Iterator[dict[int, float]]:
    """Collects the signals that ask the program to stop, and when each came; a second one of its kind does stop it.

    When one has come, those that come after all this end the process without a word, as they should at its very end.
    """
    received: dict[int, float] = {}

    def note(number: int, frame: FrameType | None) -> None:
        if number not in received:
            received[number] = time.monotonic()
        elif time.monotonic() - received[number] > REPEAT_WINDOW:
            raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in STOPS if hasattr(signal, name)]
    # What the parent had ignored, as nohup has SIGHUP, stays so
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if received else handler)
