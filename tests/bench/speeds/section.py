"""A section of the report: a table under a heading, remarks, and its figures as data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from speeds.race import Outcomes

NOTHING = "—"
"""A cell without a figure; a remark says why."""


@dataclass
class Section:
    title: str
    header: list[str]
    """The first column holds names, the others hold figures."""
    rows: list[list[str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    """The name of each measured row, and the figures of every round."""

    def add(self, name: str, cells: Sequence[str], outcomes: Outcomes) -> None:
        """Adds a row to the table, and the figures behind it; a competitor that could not run gets a remark."""
        self.rows.append([name, *cells])
        self.figures.append({"name": name, "outcomes": {who: asdict(what) for who, what in outcomes.items()}})
        for who, what in outcomes.items():
            if not what.rates:
                self.remarks.append(f"{name}, {who}: {what.remark}.")

    def last(self) -> str:
        """The last row as a line of text, to show before the table is printed."""
        return "; ".join(f"{name} {cell}" for name, cell in zip(self.header[1:], self.rows[-1][1:], strict=True))

    def markdown(self) -> str:
        """The section as Markdown."""
        ruler = ["---", *["---:"] * (len(self.header) - 1)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in (self.header, ruler, *self.rows))
        remarks = "\n".join(f"- {remark}" for remark in self.remarks)
        return "\n\n".join(part for part in (f"## {self.title}", table if self.rows else "", remarks) if part)


def quantity(x: float | None) -> str:
    """A number to three digits, with k, M, G for thousands: 1.23M."""
    if x is None:
        return NOTHING
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if x >= 0.9995 * size:
            return digits(x / size) + letter
    return digits(x)


def digits(x: float) -> str:
    """A number to about three digits."""
    return f"{x:.0f}" if x >= 99.95 else f"{x:.1f}" if x >= 9.995 else f"{x:.2f}"


def times(x: float | None) -> str:
    """A ratio: 1.52×."""
    return NOTHING if x is None else f"{digits(x)}×"


def percent(x: float | None) -> str:
    return NOTHING if x is None else f"{100 * x:.0f} %"


def seconds(x: float | None) -> str:
    return NOTHING if x is None else f"{x:.3f} s"
