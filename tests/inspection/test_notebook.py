"""What a notebook shows: the values of the curve, the samples, and that nothing of a text becomes markup."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config import LAYOUTS, MAX_SEED, PAIR_LAYOUTS, SamplingConfig
from charrnn.dataset.control_characters import visible
from charrnn.dataset.corpus import from_text
from charrnn.engine import load as load_engine
from charrnn.inspection.notebook.curve import BOTTOM, COLOURS, HEIGHT, LEFT, MAX_POINTS, RIGHT, WIDTH, curve
from charrnn.inspection.notebook.html import SEED, html
from charrnn.inspection.run_samples import held_out_sources, reads_sources, run_sample
from charrnn.model.losses import Losses
from charrnn.training import start
from charrnn.training.trainer import Trainer
from support.trainings import SMALL, TEXTS

VOID = {"line", "circle", "polyline"}
ALLOWED = {"div", "strong", "svg", "title", "text", "line", "polyline", "circle", "pre"}
MISCHIEF = "<script>alert('&amp;')</script></pre><img src=x onerror=alert(1)> \"&\" \x1b[31m \u202e\n"


class Reader(HTMLParser):
    """Reads HTML; every element must be closed, in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts[self.open[-1]][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def all(self, tag: str, name: str | None = None) -> list[dict[str, str | None]]:
        return [attrs for found, attrs in self.elements if found == tag and name in (None, attrs.get("class"))]


def read(text: str) -> Reader:
    """The elements of HTML that has nothing but text and lines, and colours for a light and a dark notebook."""
    found = Reader(text)
    assert {tag for tag, _ in found.elements} <= ALLOWED
    names = {name for _, attrs in found.elements for name in attrs}
    assert not {name for name in names if name.startswith("on") or "href" in name or name == "src"}
    colours = {attrs.get(name) for _, attrs in found.elements for name in ("fill", "stroke")} - {None}
    assert colours <= {"currentColor", "none", *COLOURS.values()}
    assert {*re.findall("#[0-9a-f]+", " ".join(attrs.get("style") or "" for _, attrs in found.elements))} <= {"#8888"}
    return found


def trained(layout: str = "stream", text: str = "", name: str = "corpus", **options: Any) -> Trainer:
    given: Any = SMALL[layout] | {"steps": 6, "eval_every": 2} | options
    run = start.start(replace(from_text(text or TEXTS[layout]), name=name), **given)
    for _ in run:
        pass
    return run


# The curve


def pixels(line: dict[str, str | None]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (place.split(",") for place in str(line["points"]).split())]


def test_the_curve_has_the_losses_at_their_steps() -> None:
    losses = [Losses(0, None, 4.0), Losses(100, 3.0, 3.5), Losses(300, 2.0, 2.5), Losses(400, 1.0, 3.0)]
    found = read(curve(losses, "character"))
    (training,), (validation,) = found.all("polyline", "training"), found.all("polyline", "validation")
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, pixels(validation)[0][1]  # of step 0, 400, loss 1 and 4
    for line, values in ((training, [row[:2] for row in losses[1:]]), (validation, [(a, c) for a, _, c in losses])):
        steps = [400 * (x - x0) / (x1 - x0) for x, _ in pixels(line)]
        heights = [1 + 3 * (y0 - y) / (y0 - y1) for _, y in pixels(line)]
        np.testing.assert_allclose(np.transpose([steps, heights]), np.array(values, float), atol=0.1)
    assert [text for text in found.texts["text"] if re.fullmatch(r"[\d.,]+", text)] == [
        *("1", "2", "3", "4"),
        *("0", "100", "200", "300", "400"),
    ]
    assert {"training", "validation", "steps", "loss, nats per character"} <= {*found.texts["text"]}
    (svg,) = found.all("svg")
    (title,) = found.texts["title"]
    assert svg["aria-label"] == title
    assert title.endswith("over 400 steps: training 3.000 to 1.000, validation 4.000 to 3.000")


def test_what_is_no_number_is_left_out_and_one_value_is_a_dot() -> None:
    assert curve([], "tag") == curve([Losses(1, None, math.nan), Losses(2, math.inf, None)], "tag") == ""
    found = read(curve([Losses(5, math.nan, 2.0), Losses(0, None, math.inf)], "tag"))
    assert not found.all("polyline")
    (dot,) = found.all("circle", "validation")
    assert float(str(dot["cx"])) == WIDTH - RIGHT
    read(curve([Losses(0, 1.0, None)], "tag"))  # of an empty range


def test_a_long_training_has_a_short_curve_with_its_last_loss() -> None:
    losses = [Losses(step, 1 + 1 / (1 + step), None) for step in range(7 * MAX_POINTS - 3)]
    (line,) = read(curve(losses, "character")).all("polyline", "training")
    assert MAX_POINTS / 2 < len(pixels(line)) <= MAX_POINTS
    assert pixels(line)[-1][0] == WIDTH - RIGHT


# What is shown


def test_a_training_shows_its_losses_and_a_sample() -> None:
    run = trained()
    found, row = read(html(run)), run.history[-1]
    words = " ".join(found.texts["div"])
    assert f"training loss {row.train_loss:.3f}, validation loss {row.val_loss:.3f}" in words
    assert "corpus, step 6 of 6" in words
    assert f"{run.state.n_params:,} parameters" in words
    assert len(pixels(found.all("polyline", "validation")[0])) == 3
    (sample,) = found.texts["pre"]
    seed = run.state.training_config.seed + run.best_step
    config = SamplingConfig(temp=0.8)
    assert sample == "".join(charrnn.generate(run.best, length=200, seed=seed, config=config)).strip("\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_training_of_each_layout_shows_what_its_model_makes(layout: str) -> None:
    run = trained(layout)
    sources = held_out_sources(run)
    assert bool(sources) == (layout in PAIR_LAYOUTS)
    shown, of_model = read(html(run)), read(html(run.best))
    (sample,) = shown.texts["pre"]
    if reads_sources(run.best):
        assert all(source in sample for source in sources)
        assert "pre" not in of_model.texts, "it has no texts to read"
    else:
        assert sample.strip()
        assert of_model.texts["pre"][0].strip()
    assert shown.all("svg") == of_model.all("svg")
    assert run_sample(run).strip()


def test_a_checkpoint_and_its_model_show_the_curve_of_the_training(tmp_path: Path) -> None:
    run = charrnn.train(
        TEXTS["stream"], **SMALL["stream"], steps=6, eval_every=2, checkpoint=tmp_path / "a&b.safetensors"
    )
    for _ in run:
        pass
    checkpoint = charrnn.load(run.path)
    shown = [read(html(each)) for each in (run, run.best, run.latest, checkpoint, checkpoint.model)]
    assert len({str(each.all("polyline")) for each in shown}) == 1
    assert shown[3].texts["pre"] == shown[4].texts["pre"]
    config = SamplingConfig(temp=0.8)
    text = "".join(charrnn.generate(checkpoint.model, length=200, seed=SEED, config=config))
    assert shown[3].texts["pre"] == [text.strip("\n")]
    assert "a&b.safetensors" in shown[0].texts["div"][1]
    assert checkpoint.model.losses == tuple(Losses(row.step, row.train_loss, row.val_loss) for row in run.history)
    assert checkpoint.without_provenance().model.losses == ()


@pytest.mark.parametrize("layout", ["stream", "lines", "labels"])
def test_nothing_of_a_text_becomes_markup(layout: str) -> None:
    name = "<b onclick=alert(1)>&amp;\u202e\n"
    lines = "".join(f"{n}{MISCHIEF}" if layout != "labels" else f"{n}{MISCHIEF[:-1]}\t<i>{n % 2}\n" for n in range(90))
    run = trained(layout, lines, name, steps=6 if layout == "labels" else 60, lr=0.02)
    found = read(html(run))
    assert "<b onclick=alert(1)>&amp;\\u202e\\n" in found.texts["strong"][0] + found.texts["div"][1]
    (sample,) = found.texts["pre"]
    assert {"<", ">", "&"} & {*sample}
    assert sample == visible(sample)
    assert not {"\x1b", "\u202e"} & {*sample}


def test_an_untrained_an_interrupted_and_a_broken_run_have_no_sample() -> None:
    run = start.start(from_text(TEXTS["stream"]), **SMALL["stream"], steps=6)
    found = read(html(run))
    assert {"no losses are known", "nothing is learned yet"} <= {*found.texts["div"]}
    assert not found.all("pre")
    run.is_between_steps = False
    assert "interrupted within a step" in read(html(run)).texts["div"]

    model = trained().best
    broken = replace(model, params={name: np.full_like(p, np.nan) for name, p in model.params.items()})
    found = read(html(broken))
    assert any(text.startswith("no sample: ") for text in found.texts["div"])
    assert found.all("polyline"), "its curve is shown all the same"


def test_a_sample_is_drawn_without_compiling() -> None:
    pytest.importorskip("numba")
    model = trained().best
    assert html(replace(model, engine=load_engine("numba"))) == html(model)


def test_what_has_no_html_is_an_error() -> None:
    with pytest.raises(TypeError, match="no HTML for int"):
        html(3)


SHOW = """
import charrnn, sys
text = "It was a dark and stormy night. " * 60
run = charrnn.train(text, steps=4, eval_every=2, hidden_size=8, layers=1, batch_size=4, seq_length=16, seed=1,
                    engine="numpy")
for progress in run:
    pass
assert not [name for name in sys.modules if name.startswith(("charrnn.inspection", "charrnn.sampling"))]
print(run._repr_html_(), run.best._repr_html_(), sep="", end="")
"""


def test_a_notebook_gets_it_from_the_public_names() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    assert len(read(done.stdout).all("svg")) == 2
    assert done.stderr == ""


def test_seeds_at_the_end_of_their_range_have_samples() -> None:
    assert read(html(trained(seed=MAX_SEED - 1))).texts["pre"]
