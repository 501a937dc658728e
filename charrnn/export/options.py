"""The options of an export."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportOptions:
    """What a format may be told; each takes some of these."""

    precision: str | None = None
    """The format of the weights; None: the default of the format."""
    title: str | None = None
    """What the export is called; None: the name of the model's file, or nothing without provenance."""
    temp: float | None = None
    """The temperature at which the export begins to write; None: the default of the format."""
    license: str | None = None
    """The license of the model, as hubs abbreviate it, such as `cc-by-4.0`; None: none is named."""
    provenance: bool = True
    """Whether it says where the model comes from: its corpus, its loss, its date, and the name of its file."""
