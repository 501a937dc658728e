"""The registry of views: each view has all that it takes to be shown."""

import inspect
import json
from typing import Any

import numpy as np
import pytest

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.cli.inspect.command import command
from charrnn.cli.inspect.views import TERMINAL_VIEWS
from charrnn.cli.terminal.heatmap import activation_scale
from charrnn.config import WRITERS
from charrnn.inspection.figures import DIVERGING
from charrnn.inspection.views import VIEWS, View, ViewOptions, views_for
from support.inspection import model_for, random_model, random_reader, text_for


def data_of(view: View) -> Any:
    """The data of a view of a small model."""
    model = model_for(view)
    text = text_for(model) if view.takes_text or view.reads_validation else ""
    return view.data(Checkpoint(model), text, ViewOptions())


def test_every_view_has_an_option_and_a_terminal_form() -> None:
    assert list(TERMINAL_VIEWS) == list(VIEWS)
    options = inspect.signature(command).parameters
    for view in VIEWS.values():
        assert VIEWS[view.name] is view
        assert ("str" in str(options[view.name].annotation)) == view.takes_text


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_view_works_for_an_rnn_with_relu_even_if_all_of_its_units_are_off(view: View) -> None:
    pytest.importorskip("matplotlib")
    from rich.console import Console

    from charrnn.inspection.picture import picture

    on, off = model_for(view, "rnn_relu"), model_for(view, "rnn_relu")
    for name in off.params:
        if name.startswith("b0"):
            off.params[name][:] = -100
    for model in (on, off):
        data = view.data(Checkpoint(model), text_for(model), ViewOptions())
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert list(TERMINAL_VIEWS[view.name]([("m", data)], Console(width=80)))
        assert picture(view.figure([("m", data)]), ".svg").startswith(b"<?xml")


def test_the_colours_and_bars_of_relu_run_from_0_to_the_largest_activation() -> None:
    from rich.console import Console

    unit = {"layer": 0, "index": 1, "feature": None, "range": [0, 4], "text": "abcde"}
    data = {"features": [], "absent": [], "unit": unit | {"activations": [0, 4, 1, None, 2]}}
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(*TERMINAL_VIEWS["neurons"]([("m", data)], console), sep="\n")
    shown = capture.get()
    assert " near 0   0.6   1.8   above 3 " in shown
    assert "abcde\n▁█▃?▅" in shown, "4 is a full bar, and 0 an empty one"
    labels = [label for label, _, _ in activation_scale(-1.0, 1.0)]
    assert labels == ["below -0.75", "to -0.45", "to -0.15", "around 0", "0.15", "0.45", "above 0.75"]


def test_the_picture_of_relu_is_white_at_0_and_has_the_last_colour_at_the_largest_activation() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    for limits in ([0, 4], [-4, 4]):  # the second stands for what tanh has: the same colours from 0
        unit = {"layer": 0, "index": 1, "feature": None, "range": limits, "text": "ab"}
        (panel,) = VIEWS["neurons"].figure([("m", {"unit": unit | {"activations": [0, 4]}})])
        axes = Figure().subplots()
        panel.draw(axes)
        zero, top = axes.images[0].get_array()[0, :2]
        np.testing.assert_allclose(zero, 1, atol=0.01)
        np.testing.assert_allclose(top, to_rgb(DIVERGING[-1]), atol=0.01)


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

    seen = set()
    readers = map(random_reader, ("classifier", "tagger", "translator"))
    for model in (random_model(H=3), *readers):
        page, views = render([ReportEntry("m", Checkpoint(model), text_for(model), None)]), views_for(model.config.form)
        places = [page.index(f'<section id="{view.name}">\n<h2>{view.title}</h2>\n<p>') for view in views]
        assert places == sorted(places)
        assert all(f'<a href="#{view.name}">{view.title}</a>' in page for view in views)
        writes = model.config.form in WRITERS
        assert page.count("<section id=") == len(views) + 1 + writes
        assert page.index("<section id=") == page.index(f'<section id="{"samples" if writes else "model"}">')
        seen |= {view.name for view in views}
    assert seen == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_shows_several_models_in_one_chart_if_it_combines_them(view: View) -> None:
    named = [("one", data_of(view)), ("two", data_of(view))]
    if view.combines_models:
        assert view.figure(named)
    else:
        with pytest.raises(ValueError):
            view.figure(named)
