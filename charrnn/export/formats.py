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


def _page() -> Writer:
    from charrnn.export.page.page import write

    return write


FORMATS = (
    Format((".html", ".htm"), ("precision", "title", "temp", "provenance"), _page),
)  # fmt: skip
"""All formats; to add one, add a line."""
SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def export(source: Path, checkpoint: Checkpoint, destination: Path, options: ExportOptions) -> int:
    """Writes a checkpoint, which was read from `source`, in the format that the name of the destination means.

    Returns the bytes written. Raises what the `Writer` raises, and `ConfigError` for a name or an option that no format
    or not this one has.
    """
    suffix = destination.suffix.lower()
    found = next((each for each in FORMATS if suffix in each.suffixes), None)
    if found is None:
        raise ConfigError(f"the name {destination} can't be used: it must end in {' or '.join(SUFFIXES)}")
    for field in fields(options):
        if getattr(options, field.name) != field.default and field.name not in found.options:
            raise ConfigError(f"{field.name} is not for a {suffix} file: leave it out", field.name)
    return found.load_writer()(source, checkpoint, destination, options)
