"""`train --ngrams` as a process: what it tells, and what other commands do with the table."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import charrnn as api
from support.processes import TEXT, charrnn, error_line, train_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"), TEXT, "--ngrams", 4)


def test_training_tells_both_losses(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    steps = ("--steps", 60, "--hidden-size", 16, "--engine", "numpy", "--sample-every", 0, "--out", "a.safetensors")
    done = charrnn("train", "corpus.txt", *steps, "--seed", 1, "--ngrams", 5, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result, table = json.loads(done.stdout), api.load(tmp_path / "a.safetensors").model.ngrams
    assert table is not None
    assert table.loss is not None
    assert result["val_loss_ngrams"] == table.loss < result["val_loss"]
    bits = f"{table.loss:.3f} ({table.loss / math.log(2):.2f} bits)"
    assert f"mixed with n-grams of up to 5 characters, which weigh {table.weight:.0%}, it is {bits}\n" in done.stderr


def test_scores_samples_and_summaries_are_of_the_mixture(model: Path) -> None:
    folder, loaded = model.parent, api.load(model).model
    done = charrnn("score", model, "-", "--json", cwd=folder, input=TEXT[:200])
    assert json.loads(done.stdout)["nats_per_char"] == pytest.approx(api.score(loaded, TEXT[:200]).nats_per_char)
    done = charrnn("sample", model, "-n", 30, "--seed", 1, cwd=folder)
    assert done.stdout == "".join(api.generate(loaded, length=30, seed=1))
    done = charrnn("inspect", model, "--json", cwd=folder)
    about = json.loads(done.stdout)["ngrams"]
    assert loaded.ngrams is not None
    assert about == loaded.ngrams.about()
    shown = " ".join(charrnn("inspect", model, cwd=folder).stdout.split())
    assert f"n-grams up to 4 characters, {about['contexts']:,} contexts, {about['followers']:,} counts, weight" in shown


def test_a_run_that_is_resumed_keeps_them_or_loses_them(tmp_path: Path) -> None:
    model = train_model(tmp_path, TEXT, "--ngrams", 4, "--seed", 1)

    def resumed(*options: object) -> dict[str, Any] | None:
        done = charrnn("train", "--resume", model, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        ngrams = api.load(model).model.ngrams
        return ngrams and ngrams.about()

    first = api.load(model).model.ngrams
    assert first is not None
    assert resumed() == first.about()  # there was nothing left to train
    (tmp_path / "whole").mkdir()
    whole = api.load(train_model(tmp_path / "whole", TEXT, "--ngrams", 4, "--seed", 1, steps=60)).model.ngrams
    assert whole is not None
    assert resumed("--steps", 60) == whole.about() != first.about()
    shorter = resumed("--steps", 90, "--ngrams", 3)
    assert shorter is not None
    assert (shorter["order"], shorter["loss"] is None) == (2, False)
    assert resumed("--steps", 120, "--ngrams", 0) is None


def test_the_model_that_a_resumed_run_keeps_has_the_ngrams_that_it_asks_for(tmp_path: Path) -> None:
    steps = ("--steps", 15, "--eval-every", 10, "--hidden-size", 16, "--engine", "numpy", "--seed", 1)
    (tmp_path / "corpus.txt").write_text(TEXT)
    path = tmp_path / "m.safetensors"
    charrnn("train", "corpus.txt", *steps, "--ngrams", 4, "--out", path, cwd=tmp_path)
    first = api.load(path)
    assert first.step == 15  # a step after which only a run that ends is evaluated
    for n in (0, 3, 4):
        done = charrnn("train", "--resume", path, "--ngrams", n, cwd=tmp_path)
        assert "nothing was trained" in done.stderr
        found = api.load(path)
        assert (found.step, found.training and found.training.ngrams) == (15, n)
        assert (None if found.model.ngrams is None else found.model.ngrams.order + 1) == (n or None)
    assert found.model.ngrams is not None
    assert first.model.ngrams is not None
    assert found.model.ngrams.about() == first.model.ngrams.about()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ngrams", 13), "--ngrams must be from 0 to 12, not 13"),
        (("--ngrams", 1), "--ngrams must be 0 or from 2 on: single characters have no context"),
        (("--ngrams", -1), "--ngrams must be from 0 to 12, not -1"),
        (("--ngrams", 3, "--classify"), "--ngrams is only for continuous text, lines and records"),
    ],
)
def test_what_can_not_be_is_an_error(options: tuple[object, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("one\ta\ntwo\tb\n" * 20)
    done = charrnn("train", "corpus.txt", "--steps", 3, *options, cwd=tmp_path)
    assert message in error_line(done, 2)
