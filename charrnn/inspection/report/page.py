"""The page: all views of some models in one HTML file that needs nothing else.

`report.html` is its frame, `sections/` has a template for each view, `report.css` its styles, and `report.js` makes the
texts respond to the pointer and the keys. What comes from a corpus is escaped by the templates, or is in JSON without
any `<`. Needs Jinja2 and matplotlib to be imported.
"""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import WRITERS
from charrnn.dataset.control_characters import visible
from charrnn.errors import counted
from charrnn.inspection import figures
from charrnn.inspection.attribution import relative
from charrnn.inspection.features import Feature
from charrnn.inspection.neurons import activations, tops
from charrnn.inspection.report.samples import page_samples, writes_to
from charrnn.inspection.report.script_data import STEPS, pack_expectations, pack_units
from charrnn.inspection.summary import summary
from charrnn.inspection.symbols import symbol
from charrnn.inspection.trace import excerpt
from charrnn.inspection.views import View, ViewOptions, views_for
from charrnn.model.model import Model
from charrnn.optional import require

require("the page", "page")

import jinja2  # noqa: E402
import markupsafe  # noqa: E402

from charrnn.inspection import picture  # noqa: E402

MAX_SHOWN = 5000
"""The most characters of a text that are shown."""
SHOWS_ONLY_TEXT = ("attribution", "attention")
"""The views that show nothing but a text."""
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


def render(entries: Sequence[ReportEntry], features: Sequence[Feature] = (), without_text: bool = False) -> str:
    """The page about some models, all of one form. Raises what the data functions of the views raise.

    `without_text` leaves out all texts that were read, and what shows them: so the page can be shared without them.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("charrnn.inspection", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["symbol"] = symbol
    environment.filters["counted"] = counted
    environment.filters["percent"] = lambda share: f"{100 * share:.{2 if share < 0.1 else 3}g}"
    environment.filters["named"] = lambda models, view: [(model["name"], model[view]) for model in models]
    environment.filters["svg"] = lambda panel: markupsafe.Markup(picture.inline(panel))
    environment.filters["signed"] = lambda r: "" if r is None else f"{r:+.2f}".replace("-", "\N{MINUS SIGN}")
    environment.globals["explained"] = _explained
    views = views_for(entries[0].checkpoint.model.config.form)
    folder = files("charrnn.inspection.report")
    page: str = environment.get_template("report.html").render(
        models=[_model(entry, views, features, MAX_UNIT_BYTES // len(entries), without_text) for entry in entries],
        writes=entries[0].checkpoint.model.config.form in WRITERS,
        without_text=without_text,
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
    entry: ReportEntry, views: Sequence[View], features: Sequence[Feature], max_unit_bytes: int, without_text: bool
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
        if not (without_text and view.name in SHOWS_ONLY_TEXT)
    }
    more: dict[str, Any] = {"script_data": {"steps": STEPS}}
    if is_language_model and not without_text:
        more = _units(checkpoint.model, text, data, max_unit_bytes)
    to = writes_to(checkpoint.model)
    written = [] if to == "source" and without_text else page_samples(checkpoint.model, text)
    return (
        data
        | {"name": entry.name, "summary": summary(checkpoint), "writes_to": to, "samples": written}
        | {"dropout": dropout_effect(checkpoint), "chars_shown": 0 if without_text else _chars_shown(data | more)}
        | more
    )


def _chars_shown(data: dict[str, Any]) -> int:
    """The characters of a text on the page: of the excerpt, or of the texts of different answers or pairs."""
    if "attribution" in data:
        return sum(map(len, {answer["text"] for answer in data["attribution"]["answers"]}))
    if "attention" in data:
        return sum(
            len(pair["source"]) + len(pair["target"]) for pair in data["attention"]["pairs"][: figures.MAX_PAIRS]
        )
    return len(data["text"])


def dropout_effect(checkpoint: Checkpoint) -> dict[str, Any]:
    """Why training losses may be above validation losses: at how many of the evaluations they are, and the dropout."""
    both = [row for row in checkpoint.history if row.train_loss is not None and row.val_loss is not None]
    above = [row for row in both if row.train_loss > row.val_loss]  # type: ignore[operator]
    config = checkpoint.model.config
    return {
        "above": len(above),
        "evaluations": len(both),
        "units": config.dropout,
        "weights": config.drop_connect,
        "averaged": any(row.ema for row in above),
    }


def _units(model: Model, text: str, data: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """The part of a text that is shown for a language model, and the activations of its units for the script."""
    shown = excerpt(model, text, MAX_SHOWN)
    best = dict.fromkeys((row["units"][0]["layer"], row["units"][0]["index"]) for row in data["neurons"]["features"])
    values = activations(model, shown)
    units = pack_units(values, tops(model, values), [*best], max_bytes)
    return {"text": shown, "script_data": units | pack_expectations(data["surprisal"], len(shown))}
