"""The run summary: what it says about the losses of a run."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from charrnn.cli.train.run_summary import RunSummary
from charrnn.training.baselines import Baselines
from charrnn.training.deadline import Deadline
from charrnn.training.state import Evaluation
from support.processes import SMALL, TEXT, charrnn
from support.trainings import place_names, run, spelled_backwards, start_in, with_vowels


@pytest.mark.parametrize(("layout", "advises"), [("labels", False), ("tags", True), ("translations", True)])
def test_losses_that_are_calibrated_are_not_compared_with_those_that_are_not(layout: str, advises: bool) -> None:
    trainer = start_in(layout, steps=40)
    rows = [Evaluation(10 * n, n, 0.01, train, 1.504 - n / 1000) for n, train in enumerate((1.5, 1.2, 0.9, 0.5), 1)]
    rows.append(Evaluation(50, 5, 0.01, 0.4, 1.6))
    trainer.state.history += rows
    trainer.state.counters = replace(trainer.state.counters, step=50, epoch=5)
    summary = RunSummary(trainer)
    summary.start()
    lines = [*summary.lines(rows[3], None, trainer.latest)]
    assert lines[0].startswith("validation loss 1.500 is 2.16 bits")
    assert any("overfitting" in line for line in lines) == advises
    assert len(lines) == 1 + advises


ADVICE = re.compile(r"^(?:overfitting|underfitting|still improving|unstable|solved|the validation text is).*$", re.M)
DROPOUT = (*SMALL, "--dropout", 0.4, "--hidden-size", 32, "--lr", 0.02, "--eval-every", 10)


def advice(cwd: Path, *args: object) -> list[str]:
    """What a run is advised at its end."""
    done = charrnn("train", *args, "--sample-every", 0, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return ADVICE.findall(done.stderr)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (TEXT, ()),
        (place_names(3000, 3191), ("--lines",)),
        (spelled_backwards(place_names(3000, 3160)), ("--pairs", "--attention")),
        (with_vowels(place_names(3000, 3160)), ("--tags",)),
        (TEXT, ("--val-spread",)),
    ],
)
def test_the_same_weights_are_diagnosed_alike_however_the_run_came_to_them(
    text: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_text(text)
    whole = advice(tmp_path, "corpus.txt", *DROPOUT, *options, "--steps", 60, "--out", "a.safetensors")
    advice(tmp_path, "corpus.txt", *DROPOUT, *options, "--steps", 35, "--out", "b.safetensors")
    parts = advice(tmp_path, "--resume", "--steps", 60, "--out", "b.safetensors")
    again = advice(tmp_path, "--resume", "--steps", 60, "--out", "b.safetensors")
    assert len(whole) == 1
    assert (parts, again) == (whole, [])  # the last one trains nothing, and says so


def test_a_run_that_resumes_a_better_model_is_told_about_that_one(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text(place_names(3000, 3191))
    options = ("--lines", *SMALL, "--hidden-size", 64, "--lr", 0.02)
    advice(tmp_path, "names.txt", *options, "--steps", 45, "--eval-every", 200, "--out", "m.safetensors")
    (found,) = advice(tmp_path, "--resume", "--steps", 800, "--out", "m.safetensors")
    assert found.startswith("overfitting: the validation loss was lowest at step 45 and rose after that")


def test_a_classifier_and_a_tagger_that_are_always_right_are_told_so(tmp_path: Path) -> None:
    texts = [f"{word} {n}" for n in range(150) for word in ("yes", "no")]
    (tmp_path / "labels.tsv").write_text("".join(f"{text}\t{text[0]}\n" for text in texts))
    (tmp_path / "tags.tsv").write_text(tags(texts))
    small = ("--hidden-size", 16, "--engine", "numpy", "--threads", 1, "--seed", 1, "--steps", 150, "--lr", 0.02)
    for option, unit in (("classify", "label"), ("tags", "tag")):
        file = "labels.tsv" if option == "classify" else "tags.tsv"
        (found,) = advice(tmp_path, file, f"--{option}", *small)
        assert re.fullmatch(
            rf"solved: all of the \d+ held-out {unit}s are right\. More time would change little\.", found
        )


def tags(texts: list[str]) -> str:
    """The texts, with a tag for each character: whether it is a digit."""
    return "".join(f"{text}\t{''.join('n' if c.isdigit() else '.' for c in text)}\n" for text in texts)


@pytest.mark.parametrize(("seconds", "max_steps", "tells"), [(1000, 40, 1), (1000, 41, 0), (1000, math.inf, 0)])
def test_a_run_that_ends_before_its_time_says_why(seconds: float, max_steps: float, tells: int) -> None:
    trainer = run(start_in("lines", steps=40))
    trainer.deadline = Deadline(seconds, 0.6)
    trainer.deadline.max_steps = max_steps
    summary = RunSummary(trainer)
    summary.start()
    lines = [*summary.lines(trainer.history[-1], None, trainer.best)]
    said = (
        r"stopped after \d of 1000 s and 1 epoch: more usually gain nothing on so short a text, and the validation "
        r"loss had become flatter; --epochs sets another number"
    )
    assert sum(bool(re.fullmatch(said, line)) for line in lines) == tells


@pytest.mark.parametrize(
    ("text", "options", "epochs"),
    [(place_names(3000, 3060), ("--lines",), 24), (place_names(3000, 3040), ("--lines",), 24), (TEXT[:800], (), 50)],
)
def test_a_text_that_is_too_short_to_validate_is_told_so(
    text: str, options: tuple[str, ...], epochs: int, tmp_path: Path
) -> None:
    (tmp_path / "few.txt").write_text(text)
    command = ("train", "few.txt", *options, "--time", 300, "--engine", "numpy", "--seed", 1)
    first = charrnn(*command, "--hidden-size", 8, "--out", "base.safetensors", cwd=tmp_path).stderr
    second = charrnn(*command, "--init-from", "base.safetensors", "--out", "m.safetensors", cwd=tmp_path)
    for said, n, of in (
        (first, epochs, "on so short a text"),
        (second.stderr, 6, "for weights that have learned already"),
    ):
        assert f"training ends after {n} epochs at the latest; --val-file validates" in said
        assert "\nnot validated: so short a text leaves nothing to hold out" in said
        assert re.search(rf"of \d+ s and {n} epochs: more usually gain nothing {of}, and nothing is held out", said)


@pytest.mark.parametrize(("bits", "tells"), [(9.0, 0), (2.0, 1)])
def test_a_short_run_that_does_worse_than_a_table_is_told_to_take_more_time(bits: float, tells: int) -> None:
    trainer = run(start_in("stream", steps=60, eval_every=100))
    summary = RunSummary(trainer)
    summary.start()
    summary.thread.join()
    summary.baselines = [Baselines(bits, bits)]
    lines = [*summary.lines(trainer.history[-1], None, trainer.best)]
    assert sum("a table of contexts needs less for the same text. More time" in line for line in lines) == tells
