"""The editor: a text in the program that a user has for that, $VISUAL or $EDITOR."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from charrnn.cli.terminal.console import as_utf8
from charrnn.errors import CharRNNError, ConfigError


def available() -> str | None:
    """The command line of the user's editor, if there is one and it has a terminal."""
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return (os.environ.get("VISUAL") or os.environ.get("EDITOR") or None) if on_terminal else None


def edit(text: str, editor: str, accept: Callable[[str], None]) -> None:
    """Has the user edit a text, and gives what comes of it to `accept`, whose errors then name the file that has it.

    Raises `ConfigError` if the editor can't be run or fails, which leaves everything as it is.
    """
    folder = Path(tempfile.mkdtemp(prefix="charrnn-"))
    path = folder / "text.txt"
    path.write_bytes(as_utf8(text))
    try:
        _run(editor, path)
        edited = path.read_bytes().decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    except (OSError, ValueError, ConfigError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"the editor {editor} has not edited the text: {why}; set EDITOR to another one") from None
    if not text.endswith("\n"):
        edited = edited.removesuffix("\n")  # which most editors add
    try:
        accept(edited)
    except CharRNNError as error:
        raise type(error)(f"{error}; your edit is in {path}") from None
    shutil.rmtree(folder, ignore_errors=True)


def _run(editor: str, path: Path) -> None:
    """Runs the editor. Ctrl-C is the editor's own affair meanwhile."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # a handler ends with the program, unlike SIG_IGN
    try:
        code = subprocess.call([*shlex.split(editor, posix=os.name == "posix"), str(path)])
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise ConfigError(f"it ended with {code}")
