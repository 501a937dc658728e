"""The terminal forms: what `charrnn inspect` prints for each view of the registry."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from charrnn.cli.inspect.request import MAX_PRINTED
from charrnn.cli.terminal.chart import Line, chart
from charrnn.cli.terminal.heatmap import (
    ATTRIBUTION_SCALE,
    BARS,
    SURPRISAL_SCALE,
    activation_scale,
    has_colours,
    heatmap,
    legend,
)
from charrnn.cli.terminal.tables import plain, plain_table
from charrnn.dataset.control_characters import visible
from charrnn.errors import counted
from charrnn.inspection.attribution import relative
from charrnn.inspection.context import place_numbers, unit_names
from charrnn.inspection.features import PATTERN_PREFIX
from charrnn.inspection.figures import Named
from charrnn.inspection.history import loss_units
from charrnn.inspection.symbols import symbol

Data = dict[str, Any]
MAX_BITS = 12.0
"""The surprisal of the highest bar."""
MIN_R = 0.1
"""The |r| on the second half from which a unit counts as following a feature."""
MIN_GRADIENT = 1e-6
"""The share of the gradient one step back below which nothing is drawn."""


def history(named: Named, console: Console) -> Iterator[RenderableType]:
    """The losses over the steps in one chart, and the learning rates in another."""
    losses, rates = [], []
    for name, rows in named:
        for key, label in (("val_loss", "validation"), ("train_loss", "training")):
            if points := [(row["step"], row[key]) for row in rows if row[key] is not None]:
                losses.append(Line(f"{name}, {label}" if len(named) > 1 else label, points))
        if rows:
            rates.append(Line(name if len(named) > 1 else "learning rate", [(row["step"], row["lr"]) for row in rows]))
    if not rates:
        yield Text("no history: the model was not trained by charrnn, or never evaluated")
        return
    yield chart(losses, console.width, "steps", f"nats per {loss_units(rows for _, rows in named)}")
    yield Text()
    yield chart(rates, console.width, "steps", "learning rate")


def neurons(named: Named, console: Console) -> Iterator[RenderableType]:
    """The units that follow features, and the text by the activations of the best one, or of the requested one."""
    ((_, data),) = named
    table = plain_table("feature", "unit", "r", "r_validation", "next best", "r_validation")
    followed = [row for row in data["features"] if abs(row["units"][0]["r_validation"] or 0) >= MIN_R]
    missed = [row for row in data["features"] if row not in followed]
    for row in followed:
        best, *others = row["units"]
        next_best = (_unit(others[0]), _signed(others[0]["r_validation"])) if others else ()
        numbers = _signed(best["r"]), _signed(best["r_validation"])
        table.add_row(plain(row["feature"]), _unit(best), *numbers, *next_best)
    yield table
    yield Text(
        "r is the correlation on the first half of the text, r_validation that on the second; units are LAYER:INDEX"
    )
    if missed:
        yield Text(visible(f"no unit follows (|r| below {MIN_R}): {', '.join(row['feature'] for row in missed)}"))
    if patterns := [name for name in data["absent"] if name.startswith(PATTERN_PREFIX)]:
        yield Text(visible(f"not in both halves of the text: {', '.join(patterns)}"))
    if unit := data["unit"]:
        feature = f", which follows: {unit['feature']}" if unit["feature"] else ""
        bottom, top = unit["range"]
        scale = activation_scale(bottom, top)
        yield Text(visible(f"\nunit {_unit(unit)}{feature}\n")).append_text(legend(scale))
        yield from heatmap(unit["text"], unit["activations"], scale, top, console)


def surprisal(named: Named, console: Console) -> Iterator[RenderableType]:
    """The beginning of the text by the surprisal of each character; and where it is highest in the whole text."""
    ((_, data),) = named
    yield Text("surprisal in bits: ").append_text(legend(SURPRISAL_SCALE))
    text, bits = data["text"][:MAX_PRINTED], data["bits"][:MAX_PRINTED]
    yield from heatmap(text, bits, SURPRISAL_SCALE, MAX_BITS, console)
    mean = f"\n{data['mean_bits']:.3f} bits per character in {counted(data['chars'], 'characters')}"
    yield Text(mean + (f"; {data['unknown']:,} that the model has never seen are left out" * (data["unknown"] > 0)))
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


def attribution(named: Named, console: Console) -> Iterator[RenderableType]:
    """Each answer with its probability, and its text by how far each character speaks for it."""
    ((_, data),) = named
    if has_colours(console):
        yield Text("speaks for or against the answer: ").append_text(legend(ATTRIBUTION_SCALE))
    else:
        yield Text("a bar above the middle speaks for the answer, one below it against the answer")
    if not data["answers"]:
        yield Text(f"\nno spans in {counted(data['lines'], 'lines')}")
    for answer in data["answers"]:
        found = "" if data["answer"] == "label" else f" {answer['text'][answer['start'] : answer['end']]}"
        top = max((abs(value) for value in answer["values"] if value is not None), default=0)
        name = Text(f"\n{visible(answer['label'])}", "bold")
        yield name.append(visible(f"{found}, {answer['probability']:.1%}; the strongest: {top:.2g} nats"), "not bold")
        yield from heatmap(answer["text"], relative(answer["values"]), ATTRIBUTION_SCALE, 1.0, console)


def attention(named: Named, console: Console) -> Iterator[RenderableType]:
    """The pairs one below the other: a row for each character of the target, a bar below each of the source."""
    ((_, data),) = named
    yield Text("a row for each character of the target: how much of each character of the source it reads")
    across = max(1, console.width - 2)
    for pair in data["pairs"]:
        source = [*map(symbol, pair["source"])]
        yield Text(visible(f"\n{pair['source']} → {pair['target']}"), "bold")
        for start in range(0, len(source), across):
            yield Text("  ").append("".join(source[start : start + across]), "underline")
            for character, row in zip(pair["target"] + "\n", pair["weights"], strict=True):
                shares = row[start : start + across]
                yield Text(f"{symbol(character)} {''.join(map(_bar, shares))}".rstrip())


def context(named: Named, console: Console) -> Iterator[RenderableType]:
    """How far back the predictions depend on the text: the gradient, the loss by length, and the gates."""
    units = unit_names(data for _, data in named)
    lines = [
        Line(
            name,
            [
                (k, norm)
                for k, norm in _pairs(data["gradient"], "k", "norm")
                if norm > MIN_GRADIENT * data["gradient"]["norm"][0]
            ],
        )
        for name, data in named
    ]
    places = place_numbers(data["gradient"]["targets"] for _, data in named)
    yield chart(lines, console.width, f"k {units} back", f"norm of ∂loss/∂h, k {units} back, mean of {places}", "y")
    table = plain_table("gradient falls below", *(name for name, _ in named))
    for share, label in (("0.1", "a tenth"), ("0.01", "a hundredth"), ("0.0001", "a ten-thousandth")):
        table.add_row(label, *(_lag(data["gradient"], share) for _, data in named))
    yield table
    lines = [Line(name, _pairs(data["loss_by_length"], "n", "loss")) for name, data in named]
    places = place_numbers(data["loss_by_length"]["targets"] for _, data in named)
    label = f"loss with n {units} of context, nats, mean of {places}"
    yield chart(lines, console.width, f"n {units} of context", label, "x")
    for name, data in named:
        if not data["gates"]:
            yield Text(visible(f"\n{name} has no gates"))
            continue
        table = plain_table("layer", "gate", "closed", "open", "units by how often they are open")
        for row in data["gates"]:
            shares = [f"{math.fsum(row[key]) / len(row[key]):.1%}" for key in ("closed", "open")]
            table.add_row(str(row["layer"]), row["gate"], *shares, bars(_counts(row["open"])))
        yield Text(visible(f"\nsaturated gates of {name}: closed is below 0.1, open above 0.9"))
        yield table


def weights(named: Named, console: Console) -> Iterator[RenderableType]:
    """The statistics of each tensor, the spectral radii of the recurrent matrices, and the dead units."""
    ((_, data),) = named
    table = plain_table("tensor", "shape", "norm", "std", "from", "", "to")
    for row in data["tensors"]:
        shape = " × ".join(map(str, row["shape"]))
        numbers = (f"{row[key]:.3g}" for key in ("norm", "std", "min"))
        pairs = zip(row["histogram"][::2], row["histogram"][1::2], strict=True)
        table.add_row(plain(row["name"]), shape, *numbers, bars([a + b for a, b in pairs]), f"{row['max']:.3g}")
    yield table
    table = plain_table("layer", "recurrent matrix", "spectral radius")
    for row in data["recurrent"]:
        table.add_row(str(row["layer"]), row["gate"] or "h", f"{row['spectral_radius']:.3f}")
    yield table
    dead = ", ".join(map(_unit, data["dead"]))
    yield Text(f"dead units, whose outgoing weights are near zero: {dead or 'none'}")


def vocabulary(named: Named, console: Console) -> Iterator[RenderableType]:
    """The nearest neighbours of each character."""
    ((_, data),) = named
    table = plain_table("", "alike when read", "cosine", "alike when expected", "cosine")
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
        kept, left_out = len(data["characters"]), data["left_out"]
        others = f"{left_out:,} other{' is' if left_out == 1 else 's are'} left out"
        yield Text(f"these are the {kept:,} characters that the model expects most; {others}")


TERMINAL_VIEWS: dict[str, Callable[[Named, Console], Iterator[RenderableType]]] = {
    "history": history,
    "neurons": neurons,
    "surprisal": surprisal,
    "attribution": attribution,
    "attention": attention,
    "context": context,
    "weights": weights,
    "vocabulary": vocabulary,
}
"""The terminal form of each view: what to print for some models, or for one if the view does not combine models."""


def bars(values: Sequence[float]) -> str:
    """Values from 0 as a row of bars."""
    top = max(values, default=0) or 1
    return "".join(" " if not value else BARS[math.ceil(value / top * (len(BARS) - 1))] for value in values)


def _bar(share: float) -> str:
    """A share from 0 to 1 as a bar; a blank if it would round to nothing."""
    return " " if share < 0.5 / len(BARS) else BARS[min(int(share * len(BARS)), len(BARS) - 1)]


def _unit(unit: Data) -> str:
    return f"{unit['layer']}:{unit['index']}"


def _signed(r: float | None) -> str:
    return "" if r is None else f"{r:+.2f}"


def _lag(gradient: Data, share: str) -> str:
    k = gradient["below"][share]
    return f"not within {gradient['k'][-1]}" if k is None else f"at k = {k}"


def _pairs(data: Data, x: str, y: str) -> list[tuple[float, float]]:
    return list(zip(data[x], data[y], strict=True))


def _counts(shares: Sequence[float], bins: int = 20) -> list[int]:
    counts = [0] * bins
    for share in shares:
        counts[min(int(share * bins), bins - 1)] += 1
    return counts
