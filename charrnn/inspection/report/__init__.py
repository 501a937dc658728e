"""The page: all that `inspection` finds, as one HTML file that needs nothing else, to look at and to pass on.

`page.html` is its template, `page.css` how it looks, `page.js` how the texts answer to a hand. What comes from a corpus
goes through the template's escaping, or into JSON in which no `<` stands.
"""

import base64
import math
import zlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from charrnn import inspection
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.errors import ConfigError
from charrnn.inspection import Feature
from charrnn.inspection.symbols import printable, symbol
from charrnn.inspection.trace import beginning
from charrnn.types import Array

try:
    import jinja2
    import markupsafe
    import matplotlib  # noqa: F401 - which `figures` would ask for by the name of another extra
except ImportError:
    raise ConfigError("the page is made by Jinja2 and matplotlib: pip install 'charrnn[page]'") from None

from charrnn.inspection import figures

MAX_SHOWN = 5000
"""Characters of a text that are shown."""
STEPS = 7
"""Shades on either side of 0: where a unit stands is told in so many."""
MAX_UNIT_BYTES = 1_100_000
"""Bytes that all units of a page may take; where there are too many, those that move least are left out."""


class ReportEntry(NamedTuple):
    """A model of the page: what it is called, its checkpoint, the text that it is measured on and the one to show."""

    name: str
    checkpoint: Checkpoint
    held_out: str
    text: str | None
    """None for the beginning of the other."""


def render(exhibits: Sequence[ReportEntry], follow: Sequence[Feature] = ()) -> str:
    """The page about some models. Raises what the views of `inspection` do."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("charrnn", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = symbol
    environment.filters["svg"] = lambda panel: markupsafe.Markup(figures.inline(panel))
    environment.filters["signed"] = lambda r: "" if r is None else f"{r:+.2f}".replace("-", "\N{MINUS SIGN}")
    models = [_model(exhibit, follow, MAX_UNIT_BYTES // len(exhibits)) for exhibit in exhibits]
    named = [(model["name"], model) for model in models]
    source = files("charrnn") / "page"
    page: str = environment.get_template("page.html").render(
        models=models,
        history=figures.history([(name, model["summary"]) for name, model in named]),
        memory=figures.memory([(name, model["memory"]) for name, model in named]),
        figures=figures,
        style=markupsafe.Markup((source / "page.css").read_text(encoding="utf-8")),
        script=markupsafe.Markup((source / "page.js").read_text(encoding="utf-8")),
        steps=STEPS,
    )
    return page


def _legible(value: Any) -> Any:
    """What is printed, of which all that can't be seen is told; but what is markup already stays as it is."""
    plain = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
    return "".join(map(printable, value)) if plain else value


def _model(exhibit: ReportEntry, follow: Sequence[Feature], most: int) -> dict[str, Any]:
    """All that the page tells of a model."""
    model, read = exhibit.checkpoint.model, exhibit.held_out if exhibit.text is None else exhibit.text
    shown = beginning(model, read, MAX_SHOWN)
    neurons = inspection.neurons(model, read, follow)
    surprise = inspection.surprise(model, shown, places=None)
    best = dict.fromkeys((row["units"][0]["layer"], row["units"][0]["index"]) for row in neurons["features"])
    return {
        "name": exhibit.name,
        "summary": inspection.summary(exhibit.checkpoint),
        "neurons": neurons,
        "surprise": surprise,
        "places": sorted(surprise["places"], key=lambda place: -place["bits"])[:10],
        "memory": inspection.remembrance(model, exhibit.held_out),
        "weights": inspection.weights(model),
        "vocabulary": inspection.neighbours(model),
        "text": shown,
        "data": _units(inspection.activations(model, shown), [*best], most) | _expectations(surprise, len(shown)),
    }


def _units(stands: Array, best: Sequence[tuple[int, int]], most: int) -> dict[str, Any]:
    """Where the units [L, H, N] stand, for the script: the best first, then the others in their order.

    Each is a row of N steps from -STEPS to STEPS, told by how they change from character to character, and all rows are
    deflated together, to a fraction of what they would take as they are. At characters that were never read they stay.
    """
    L, H, N = stands.shape
    levels = np.nan_to_num(np.rint(stands.reshape(L * H, N) * STEPS)).astype(np.int8)
    unread = np.isnan(stands[0, 0])
    for n in np.flatnonzero(unread[1:]) + 1:
        levels[:, n] = levels[:, n - 1]
    chosen = [layer * H + index for layer, index in best]
    others = sorted({*range(L * H)} - {*chosen}, key=lambda unit: -levels[unit].std())
    while len(packed := _packed(levels[order := [*chosen, *sorted(others)]])) > most and others:
        others = others[: int(0.95 * (len(order) * most / len(packed) - len(chosen)))] if len(packed) < 9 * most else []
    return {"units": [divmod(unit, H) for unit in order], "steps": STEPS, "packed": packed}


def _packed(levels: Array) -> str:
    """Rows of steps as text."""
    changes = np.diff(levels, axis=1, prepend=np.int8(0))
    return base64.b64encode(zlib.compress(changes.tobytes(), 9)).decode()


def _expectations(surprise: dict[str, Any], N: int) -> dict[str, Any]:
    """What was expected at each character: bits, and the likeliest, each with its percentage."""
    told: list[Any] = [None] * N
    for place in surprise["places"]:
        expected = [[symbol(e["character"]), math.floor(100 * e["probability"] + 0.5)] for e in place["expected"]]
        told[place["at"]] = [round(place["bits"], 1), expected]
    return {"expected": told}
