"""The registry of views: what `charrnn inspect` can show of a model, and how.

To add a view, write its data function in a file of this folder, its figure in `figures`, its section of the page in
`report/sections/NAME.html`, its entry here, and, in `cli/inspect`, its option and its terminal form.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import FORMS
from charrnn.inspection import figures
from charrnn.inspection.alignment import alignment
from charrnn.inspection.attribution import attribution
from charrnn.inspection.context import context
from charrnn.inspection.features import Feature
from charrnn.inspection.figures import Named, Panel
from charrnn.inspection.history import history
from charrnn.inspection.neurons import neurons, unit_activations
from charrnn.inspection.surprisal import surprisal
from charrnn.inspection.trace import excerpt
from charrnn.inspection.vocabulary import neighbours
from charrnn.inspection.weights import weights


@dataclass(frozen=True)
class ViewOptions:
    """What the user can choose about the views."""

    features: Sequence[Feature] = ()
    """Features to look for, in addition to the built-in ones."""
    unit: tuple[int, int] | None = None
    """The unit (layer, index) whose activations are shown; None: the one that follows its feature best."""
    max_shown: int = 1000
    """The most characters of a text that are shown by the activations of a unit."""


DataFunction = Callable[[Checkpoint, str, ViewOptions], Any]
"""From a checkpoint and the text that the view reads, or "" if it reads none, to plain data: what JSON can hold."""


@dataclass(frozen=True)
class View:
    """A view of a model, and all that is needed to show it, except its terminal form."""

    name: str
    """Its option, its key in the JSON data, and the name of its section."""
    title: str
    """The heading of its section."""
    data: DataFunction
    figure: Callable[[Named], list[Panel]]
    takes_text: bool = False
    """Whether its option has a text for a value."""
    reads_validation: bool = False
    """Whether it reads the validation text."""
    combines_models: bool = False
    """Whether it shows several models in one chart."""
    page_data: DataFunction | None = None
    """The data of its section, if they are not `data`."""
    forms: tuple[str, ...] = ("language_model",)
    """The forms of network that it can show, of `config.FORMS`."""

    @property
    def section(self) -> str:
        """The template of its section of the page, in the folder `report`."""
        return f"sections/{self.name}.html"


def _neurons(checkpoint: Checkpoint, text: str, options: ViewOptions) -> dict[str, Any]:
    """The units that follow features in all of the text, and the activations of one along an excerpt."""
    model, found = checkpoint.model, neurons(checkpoint.model, text, options.features)
    return found | {"unit": unit_activations(model, found, options.unit, excerpt(model, text, options.max_shown))}


def _neurons_of_page(checkpoint: Checkpoint, text: str, options: ViewOptions) -> dict[str, Any]:
    """The same without a unit: the page has the activations of all."""
    return neurons(checkpoint.model, text, options.features)


def _surprisal_of_page(checkpoint: Checkpoint, text: str, options: ViewOptions) -> dict[str, Any]:
    """The surprisal of the excerpt that is shown, with what the model expected at every character of it."""
    return surprisal(checkpoint.model, excerpt(checkpoint.model, text, options.max_shown), places=None)


VIEWS = {
    view.name: view
    for view in (
        View(
            "history",
            "How it learned",
            data=lambda checkpoint, text, options: history(checkpoint),
            figure=figures.history,
            combines_models=True,
            forms=FORMS,
        ),
        View(
            "neurons",
            "Neurons",
            data=_neurons,
            figure=figures.neurons,
            takes_text=True,
            page_data=_neurons_of_page,
        ),
        View(
            "surprisal",
            "Surprisal",
            data=lambda checkpoint, text, options: {"text": text} | surprisal(checkpoint.model, text),
            figure=figures.surprisal,
            takes_text=True,
            page_data=_surprisal_of_page,
        ),
        View(
            "attribution",
            "Attribution",
            data=lambda checkpoint, text, options: attribution(checkpoint.model, text, options.max_shown),
            figure=figures.attribution,
            takes_text=True,
            forms=("classifier", "tagger"),
        ),
        View(
            "attention",
            "Attention",
            data=lambda checkpoint, text, options: alignment(checkpoint.model, text, options.max_shown),
            figure=figures.attention,
            takes_text=True,
            forms=("translator",),
        ),
        View(
            "context",
            "Context",
            data=lambda checkpoint, text, options: context(checkpoint.model, text),
            figure=figures.context,
            reads_validation=True,
            combines_models=True,
        ),
        View(
            "weights",
            "Weights",
            data=lambda checkpoint, text, options: weights(checkpoint.model),
            figure=figures.weights,
            forms=FORMS,
        ),
        View(
            "vocabulary",
            "Vocabulary",
            data=lambda checkpoint, text, options: neighbours(checkpoint.model),
            figure=figures.vocabulary,
        ),
    )
}
"""The views by name, in the order in which they are shown."""


def views_for(form: str) -> list[View]:
    """The views that can show a form of network, in their order."""
    return [view for view in VIEWS.values() if form in view.forms]
