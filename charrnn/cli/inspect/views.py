"""The views: what `charrnn inspect` shows in the terminal of what `inspection` has found, each as lines to print."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from charrnn.cli.score.text_heatmap import SCALE
from charrnn.cli.terminal.chart import Line, chart
from charrnn.cli.terminal.console import visible
from charrnn.cli.terminal.heatmap import BARS, DIVERGING, legend, shaded
from charrnn.cli.terminal.tables import plain, plain_table
from charrnn.inspection.context import units_of
from charrnn.inspection.features import PATTERN
from charrnn.inspection.symbols import symbol

Data = dict[str, Any]
MOST_BITS = 12.0
"""Of surprise: a bar is not higher for more."""
FAINTEST = 0.1
"""The correlation, confirmed, from which on a unit follows something at all."""
FAINT = 1e-6
"""The share of a gradient one step back below which nothing is drawn."""


def history(named: Sequence[tuple[str, Data]], console: Console) -> Iterator[RenderableType]:
    """The losses of some checkpoints over their steps, in one chart, and their learning rates in another."""
    losses, rates = [], []
    for name, data in named:
        rows = data["history"]
        for key, label in (("val_loss", "validation"), ("train_loss", "training")):
            if points := [(row["step"], row[key]) for row in rows if row[key] is not None]:
                losses.append(Line(f"{name}, {label}" if len(named) > 1 else label, points))
        if rows:
            rates.append(Line(name if len(named) > 1 else "learning rate", [(row["step"], row["lr"]) for row in rows]))
    if not rates:
        yield Text("no history: this was not written by charrnn, or nothing was evaluated")
        return
    yield chart(losses, console.width, "steps", "nats per character")
    yield Text()
    yield chart(rates, console.width, "steps", "learning rate")


def neurons(data: Data, console: Console) -> Iterator[RenderableType]:
    """Which units follow what, and the text by where the best of them stands, or the one that was asked for."""
    table = plain_table("follows", "unit", "r", "confirmed", "next best", "confirmed")
    followed = [row for row in data["features"] if abs(row["units"][0]["confirmed"] or 0) >= FAINTEST]
    missed = [row for row in data["features"] if row not in followed]
    for row in followed:
        first, *others = row["units"]
        next_best = (_unit(others[0]), _signed(others[0]["confirmed"])) if others else ()
        table.add_row(plain(row["follows"]), _unit(first), _signed(first["r"]), _signed(first["confirmed"]), *next_best)
    yield table
    yield Text(
        "r is the correlation on the first half of the text, confirmed that on the second; units are LAYER:INDEX"
    )
    if missed:
        yield Text(visible(f"followed by no unit, |r| below {FAINTEST}: {', '.join(row['follows'] for row in missed)}"))
    if asked := [name for name in data["absent"] if name.startswith(PATTERN)]:
        yield Text(visible(f"not in both halves of the text: {', '.join(asked)}"))
    if unit := data["unit"]:
        follows = f", which follows: {unit['follows']}" if unit["follows"] else ""
        yield Text(visible(f"\nunit {_unit(unit)}{follows}\n")).append_text(legend(DIVERGING))
        yield from shaded(unit["text"], unit["stands"], DIVERGING, 1.0, console)


def memory(named: Sequence[tuple[str, Data]], console: Console) -> Iterator[RenderableType]:
    """How far back each checkpoint remembers: gradients, contexts and gates."""
    units = units_of(data for _, data in named)
    lines = [
        Line(
            name,
            [(k, norm) for k, norm in _pairs(d["gradient"], "k", "norm") if norm > FAINT * d["gradient"]["norm"][0]],
        )
        for name, d in named
    ]
    yield chart(lines, console.width, f"k {units} back", f"norm of ∂loss/∂h, k {units} back", "y")
    table = plain_table("gradient falls below", *(name for name, _ in named))
    for share, label in (("0.1", "a tenth"), ("0.01", "a hundredth")):
        table.add_row(label, *(_back(d["gradient"], share) for _, d in named))
    yield table
    lines = [Line(name, _pairs(d["context"], "n", "loss")) for name, d in named]
    yield chart(lines, console.width, f"n {units} of context", f"loss with n {units} of context, nats", "x")
    for name, data in named:
        if not data["gates"]:
            yield Text(visible(f"\n{name} has no gates"))
            continue
        table = plain_table("layer", "gate", "shut", "open", "units by how often they are open")
        for row in data["gates"]:
            shares = [f"{math.fsum(row[key]) / len(row[key]):.1%}" for key in ("shut", "open")]
            table.add_row(str(row["layer"]), row["gate"], *shares, bars(_counts(row["open"])))
        yield Text(visible(f"\nsaturated gates of {name}: shut is below 0.1, open above 0.9"))
        yield table


def surprise(data: Data, most: int, console: Console) -> Iterator[RenderableType]:
    """The text, its first `most` characters, by how little each was expected; and where in all of it that was least."""
    yield Text("surprise in bits: ").append_text(legend(SCALE))
    yield from shaded(data["text"][:most], data["bits"][:most], SCALE, MOST_BITS, console)
    told = f"\n{data['mean_bits']:.3f} bits per character in {data['chars']:,} characters"
    yield Text(told + (f"; {data['unknown']:,} that the model has never seen are left out" * (data["unknown"] > 0)))
    table = plain_table("at", "bits", "text", "expected")
    table.columns[2].justify = "left"
    table.columns[3].justify = "left"
    for place in data["places"]:
        expected = ", ".join(f"{symbol(e['character'])} {e['probability']:.0%}" for e in place["expected"])
        before = place["after"].rpartition("\n")[2]
        table.add_row(
            f"{place['at']:,}",
            f"{place['bits']:.1f}",
            Text.assemble(visible(before), (symbol(place["character"]), "bold underline")),
            plain(expected),
        )
    yield table


def weights(data: Data) -> Iterator[RenderableType]:
    """Each tensor by its numbers, the recurrent matrices, and the units that nothing listens to."""
    table = plain_table("tensor", "shape", "norm", "spread", "from", "", "to")
    for row in data["tensors"]:
        shape = " × ".join(map(str, row["shape"]))
        numbers = (f"{row[key]:.3g}" for key in ("norm", "spread", "min"))
        pairs = zip(row["histogram"][::2], row["histogram"][1::2], strict=True)
        table.add_row(plain(row["name"]), shape, *numbers, bars([a + b for a, b in pairs]), f"{row['max']:.3g}")
    yield table
    table = plain_table("layer", "recurrent matrix", "spectral radius")
    for row in data["recurrent"]:
        table.add_row(str(row["layer"]), row["gate"] or "h", f"{row['spectral_radius']:.3f}")
    yield table
    dead = ", ".join(map(_unit, data["dead"]))
    yield Text(f"units that nothing listens to: {dead or 'none'}")


def vocabulary(data: Data) -> Iterator[RenderableType]:
    """The nearest neighbours of each character."""
    table = plain_table("", "read alike", "cosine", "expected alike", "cosine")
    for column in (1, 3):
        table.columns[column].justify = "left"
    for row in data["characters"]:
        cells: list[Text | str] = []
        for way in ("read", "expected"):
            cells += [plain(" ".join(symbol(near["character"]) for near in row[way]))]
            cells += [f"{row[way][0]['cosine']:.2f}" if row[way] else ""]
        table.add_row(plain(symbol(row["character"])), *cells)
    yield table
    if data["left_out"]:
        yield Text(f"the {len(data['characters']):,} that are expected most; {data['left_out']:,} others are left out")


def bars(values: Sequence[float]) -> str:
    """Values from 0 on as a row of bars."""
    top = max(values, default=0) or 1
    return "".join(" " if not value else BARS[math.ceil(value / top * (len(BARS) - 1))] for value in values)


def _unit(which: Data) -> str:
    return f"{which['layer']}:{which['index']}"


def _signed(r: float | None) -> str:
    return "" if r is None else f"{r:+.2f}"


def _back(gradient: Data, share: str) -> str:
    k = gradient["below"][share]
    return f"not within {gradient['k'][-1]}" if k is None else f"at k = {k}"


def _pairs(data: Data, x: str, y: str) -> list[tuple[float, float]]:
    return list(zip(data[x], data[y], strict=True))


def _counts(shares: Sequence[float], bins: int = 20) -> list[int]:
    counts = [0] * bins
    for share in shares:
        counts[min(int(share * bins), bins - 1)] += 1
    return counts
