"""The errors. Each message is one line that says what happened, then what to do.

What to do is said in Python, as code: "overwrite it with `force=True`". The command line writes it as options.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self


def counted(n: int, units: str) -> str:
    """A number of things for a message: 1 step, 2,000 steps; `units` is the plural, which ends in s."""
    return f"{n:,} {units.removesuffix('s') if n == 1 else units}"


def listed(names: Sequence[str], most: int) -> str:
    """Names for a message, at most so many, and how many more there are: `a, b, c and 2 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def why(error: OSError, path: str | Path) -> str:
    """What the system says about a file, for a message, or what is wrong with a folder above the file.

    Of a file in a folder that can't be entered the system says the same as of one that can't be read itself, and of a
    new one in what is no folder that it exists.
    """
    if isinstance(error, PermissionError):
        reason = closed_folder(path)
    elif isinstance(error, FileExistsError | NotADirectoryError):
        reason = next((f"{p} is not a folder" for p in Path(path).parents if p.exists() and not p.is_dir()), "")
    else:
        reason = ""
    return reason or error.strerror or str(error)


def closed_folder(path: str | Path) -> str:
    """Says that a folder above a file can't be entered, and what to do; empty if they all can be, or are missing."""
    for folder in reversed(Path(path).parents):
        if os.path.isdir(folder) and not os.access(folder, os.X_OK):
            return f"the folder {folder} can't be entered: give yourself its permission x"
    return ""


class CharRNNError(Exception):
    """The base of every error that is raised on purpose; `exit_code` is the exit code of the command line."""

    exit_code = 1
    number = 0
    """Which text the error is about, from 1, if it is about one of several that were given."""
    what = ""
    """The message after the place of that text."""

    def __init__(self, message: str = "", *settings: str, **about: Any):
        """The message names settings as the parameters of the library; `settings` are those that it names by a word.

        The command line writes each as the option that sets it.
        """
        super().__init__(message, **about)
        self.settings = settings

    @classmethod
    def of_text(cls, number: int, what: str, unit: str = "line") -> Self:
        """The error about one of several texts: `what` follows its place, which is its number."""
        error = cls(f"{unit} {number:,}{what}")
        error.number, error.what = number, what
        return error

    def at(self, place: str) -> Self:
        """The same error about a text whose place is known."""
        return type(self)(place + self.what)


class ConfigError(CharRNNError):
    """A setting out of range, or settings that contradict each other: wrong usage.

    In its message the command line knows the name of a setting that has an underscore, also without being told.
    """

    exit_code = 2


class MissingLibraryError(ConfigError, ImportError):
    """An option whose optional library is not installed, or a module that needs one."""


class CorpusError(CharRNNError):
    """A text that can't be found, read, decoded or learned from."""


class VocabularyError(CharRNNError):
    """A character that is not in the model's vocabulary."""


class CheckpointError(CharRNNError):
    """A checkpoint that is missing, damaged, written by another program, or in the way."""


class LockedError(CheckpointError):
    """A path that another run is writing."""


class SamplingError(CharRNNError):
    """A text that can't be continued, or ended, as requested."""


class ExportError(CharRNNError):
    """A model that can't be exported in the format that was asked for."""


class EngineError(CharRNNError):
    """An engine that is not installed or can't be used."""


class DivergenceError(CharRNNError):
    """Training whose loss, gradients or weights are NaN or infinite, or a model whose predictions are."""
