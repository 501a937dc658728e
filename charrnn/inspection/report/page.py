"""The page: all views of some models in one HTML file that needs nothing else.

`report.html` is its frame, `sections/` has a template for each view, `report.css` its styles, and `report.js` makes the
texts respond to the pointer and the keys. What comes from a corpus is escaped by the templates, or is in JSON without
any `<`. Needs Jinja2 and matplotlib to be imported.
"""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.dataset.control_characters import visible
from charrnn.inspection import figures
from charrnn.inspection.attribution import relative
from charrnn.inspection.features import Feature
from charrnn.inspection.neurons import activations, tops
from charrnn.inspection.report.script_data import STEPS, pack_expectations, pack_units
from charrnn.inspection.summary import summary
from charrnn.inspection.symbols import symbol
from charrnn.inspection.trace import excerpt
from charrnn.inspection.views import View, ViewOptions, views_for
from charrnn.model.model import Model
from charrnn.optional import require

require("the page", "jinja2", "matplotlib")

import jinja2  # noqa: E402
import markupsafe  # noqa: E402

from charrnn.inspection import picture  # noqa: E402

MAX_SHOWN = 5000
"""The most characters of a text that are shown."""
MAX_EXPLAINED = 2000
"""The most characters of a text whose answers are explained."""
MAX_UNIT_BYTES = 1_100_000
"""The most bytes of the activations of all models; the units that vary least are left out if there are too many."""


class ReportEntry(NamedTuple):
    """A model of the page: its name, its checkpoint, its validation text, and the text to show."""

    name: str
    checkpoint: Checkpoint
    validation_text: str
    text: str | None
    """None: the beginning of the validation text."""


def render(entries: Sequence[ReportEntry], features: Sequence[Feature] = ()) -> str:
    """The page about some models, all of one form. Raises what the data functions of the views raise."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("charrnn.inspection", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["symbol"] = symbol
    environment.filters["named"] = lambda models, view: [(model["name"], model[view]) for model in models]
    environment.filters["svg"] = lambda panel: markupsafe.Markup(picture.inline(panel))
    environment.filters["signed"] = lambda r: "" if r is None else f"{r:+.2f}".replace("-", "\N{MINUS SIGN}")
    environment.globals["explained"] = _explained
    views = views_for(entries[0].checkpoint.model.config.form)
    folder = files("charrnn.inspection.report")
    page: str = environment.get_template("report.html").render(
        models=[_model(entry, views, features, MAX_UNIT_BYTES // len(entries)) for entry in entries],
        views=views,
        figures=figures,
        style=markupsafe.Markup((folder / "report.css").read_text(encoding="utf-8")),
        script=markupsafe.Markup((folder / "report.js").read_text(encoding="utf-8")),
        steps=STEPS,
    )
    return page


def _explained(answer: dict[str, Any]) -> Iterator[tuple[str, int | None, str]]:
    """Each character of an answer's text, its step from -STEPS to STEPS, and its value in words."""
    for character, value, share in zip(answer["text"], answer["values"], relative(answer["values"]), strict=True):
        if value is None or share is None:
            yield character, None, "the model has never seen it"
        else:
            yield character, round(share * STEPS), f"{value:+.2g} nats".replace("-", "\N{MINUS SIGN}")


def _printable(value: Any) -> Any:
    """What a template prints: control characters become escapes, markup is unchanged."""
    plain = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
    return visible(value) if plain else value


def _model(
    entry: ReportEntry, views: Sequence[View], features: Sequence[Feature], max_unit_bytes: int
) -> dict[str, Any]:
    """All data about a model: its summary, each view's data by the view's name, and the data for the script."""
    checkpoint, is_language_model = entry.checkpoint, entry.checkpoint.model.config.form == "language_model"
    options = ViewOptions(features, max_shown=MAX_SHOWN if is_language_model else MAX_EXPLAINED)
    text = entry.validation_text if entry.text is None else entry.text
    data = {
        view.name: (view.page_data or view.data)(
            checkpoint, entry.validation_text if view.reads_validation else text, options
        )
        for view in views
    }
    more = (
        _units(checkpoint.model, text, data, max_unit_bytes) if is_language_model else {"script_data": {"steps": STEPS}}
    )
    return data | {"name": entry.name, "summary": summary(checkpoint)} | more


def _units(model: Model, text: str, data: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """The part of a text that is shown for a language model, and the activations of its units for the script."""
    shown = excerpt(model, text, MAX_SHOWN)
    best = dict.fromkeys((row["units"][0]["layer"], row["units"][0]["index"]) for row in data["neurons"]["features"])
    values = activations(model, shown)
    units = pack_units(values, tops(model, values), [*best], max_bytes)
    return {"text": shown, "script_data": units | pack_expectations(data["surprisal"], len(shown))}
