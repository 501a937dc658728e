"""The formats of export: which one the name of a destination means, and what writes it."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.errors import ConfigError
from charrnn.export.options import ExportOptions

Writer = Callable[[Path, Checkpoint, Path, ExportOptions], int]
"""Writes the export of a checkpoint, which was read from the first path, to the second; returns its bytes.

Raises `ExportError` for a model that the format can't hold, and `ConfigError` for options out of range.
"""


@dataclass(frozen=True)
class Format:
    """A format: how the names of its files end, the options that it takes, and what imports its writer."""

    suffixes: tuple[str, ...]
    options: tuple[str, ...]
    """The fields of `ExportOptions` that mean something in this format."""
    load_writer: Callable[[], Writer]
    has_ngrams: bool = False
    """Whether it holds the table of n-grams of a model, and not only its network."""


def _page() -> Writer:
    from charrnn.export.page.page import write

    return write


def _onnx() -> Writer:
    from charrnn.export.onnx import write

    return write


def _folder() -> Writer:
    from charrnn.export.card import write

    return write


FORMATS = (
    Format((".html", ".htm"), ("precision", "title", "temp", "provenance"), _page),
    Format((".onnx",), ("provenance",), _onnx),
    Format(("",), ("title", "license", "provenance"), _folder, has_ngrams=True),
)
"""All formats; to add one, add a line. A name without a suffix is a folder."""
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def format_of(destination: Path) -> Format:
    """The format that the name of a destination means; raises `ConfigError` if there is none."""
    suffix = destination.suffix.lower()
    if found := next((each for each in FORMATS if suffix in each.suffixes), None):
        return found
    endings = ", ".join(filter(None, SUFFIXES))
    raise ConfigError(f"the name {destination} can't be used: it must end in {endings}, or be that of a folder")


def export(source: Path, checkpoint: Checkpoint, destination: Path, options: ExportOptions) -> int:
    """Writes a checkpoint, which was read from `source`, in the format that the name of the destination means.

    Returns the bytes written. Raises what the `Writer` raises, and `ConfigError` for a name or an option that no format
    or not this one has.
    """
    found, suffix = format_of(destination), destination.suffix.lower()
    for field in fields(options):
        if getattr(options, field.name) != field.default and field.name not in found.options:
            kind = f"a {suffix} file" if suffix else "a folder"
            raise ConfigError(f"{field.name} is not for {kind}: leave it out", field.name)
    return found.load_writer()(source, checkpoint, destination, options)
