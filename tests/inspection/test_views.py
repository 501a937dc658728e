"""The registry of views: each view has all that it takes to be shown."""

import inspect
import json
from typing import Any

import pytest

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.cli.inspect.command import command
from charrnn.cli.inspect.views import TERMINAL_VIEWS
from charrnn.inspection.views import VIEWS, View, ViewOptions
from support.inspection import VERSE, random_model


def data_of(view: View) -> Any:
    """The data of a view of a small model."""
    text = VERSE if view.takes_text or view.reads_validation else ""
    return view.data(Checkpoint(random_model(H=3)), text, ViewOptions())


def test_every_view_has_an_option_and_a_terminal_form() -> None:
    assert list(TERMINAL_VIEWS) == list(VIEWS)
    options = inspect.signature(command).parameters
    for view in VIEWS.values():
        assert VIEWS[view.name] is view
        assert ("str" in str(options[view.name].annotation)) == view.takes_text


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_view_has_data_that_json_can_hold(view: View) -> None:
    data = data_of(view)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_view_has_a_terminal_form_of_its_data(view: View) -> None:
    from rich.console import Console

    console = Console(width=80)
    assert list(TERMINAL_VIEWS[view.name]([("m", data_of(view))], console))


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_view_has_a_figure_of_its_data(view: View) -> None:
    pytest.importorskip("matplotlib")
    from charrnn.inspection.picture import picture

    panels = view.figure([("m", data_of(view))])
    assert panels
    assert picture(panels, ".svg").startswith(b"<?xml")


def test_every_view_has_a_section_of_the_page() -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    from charrnn.inspection.report.page import ReportEntry, render

    page = render([ReportEntry("m", Checkpoint(random_model(H=3)), VERSE, None)])
    places = [page.index(f'<section id="{view.name}">\n<h2>{view.title}</h2>\n<p>') for view in VIEWS.values()]
    assert places == sorted(places)
    assert all(f'<a href="#{view.name}">{view.title}</a>' in page for view in VIEWS.values())


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_shows_several_models_in_one_chart_if_it_combines_them(view: View) -> None:
    named = [("one", data_of(view)), ("two", data_of(view))]
    if view.combines_models:
        assert view.figure(named)
    else:
        with pytest.raises(ValueError):
            view.figure(named)
