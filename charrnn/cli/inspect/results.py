"""The results: the data of the requested views of each model, and how they are printed."""

import json
from collections.abc import Iterable
from typing import Any

import typer

from charrnn.cli.inspect.request import InspectRequest
from charrnn.cli.inspect.target import Target
from charrnn.dataset.control_characters import one_line
from charrnn.inspection.summary import summary
from charrnn.inspection.views import View

Results = list[tuple[Target, dict[str, Any]]]
"""The targets, each with the data of its views by name, or with its summary."""


def inspect(target: Target, request: InspectRequest) -> dict[str, Any]:
    """The data of the requested views of a checkpoint by their names, or its summary if no view is requested."""
    size = target.path.stat().st_size if target.path.exists() else 0
    data: dict[str, Any] = {"file": str(target.path), "bytes": size}
    if not request.views:
        return data | summary(target.checkpoint)
    for view in request.views:
        text = _text(target, view, request.texts[view.name])
        data[view.name] = view.data(target.checkpoint, text, request.options)
    return data


def _text(target: Target, view: View, given: str | None) -> str:
    """The text that a view reads: the given one, the validation text, or none."""
    if given is not None:
        return target.text(given)
    return target.validation_text if view.reads_validation else ""


def print_json(results: Results) -> None:
    """Prints one JSON object for each model."""
    for _, data in results:
        typer.echo(json.dumps(data, allow_nan=False))


def print_results(request: InspectRequest, results: Results) -> None:
    """Prints the views that combine models, then the others of one model after the other, in the registry's order."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)

    def show(parts: Iterable[Any]) -> None:
        for part in parts:
            console.print(part)

    if not request.views:
        from charrnn.cli.inspect.summary_view import summary_view
    else:
        from charrnn.cli.inspect.views import TERMINAL_VIEWS

    for view in request.views:
        if view.combines_models:
            show(TERMINAL_VIEWS[view.name]([(target.name, data[view.name]) for target, data in results], console))
    for target, data in results:
        if len(results) > 1 and not request.combines_models:
            show([Text(f"\n{one_line(str(target.path))}", style="bold")])
        if not request.views:
            show(summary_view(data, console.width))
        for view in request.views:
            if not view.combines_models:
                show(TERMINAL_VIEWS[view.name]([(target.name, data[view.name])], console))
