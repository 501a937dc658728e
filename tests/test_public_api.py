"""The public names of the package, as its docstring shows them."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.checkpoint import model_file
from charrnn.dataset import corpus
from charrnn.errors import LockedError
from support.processes import TEXT


def test_a_text_is_learned_sampled_scored_saved_and_loaded(tmp_path: Path) -> None:
    run = charrnn.train(TEXT, epochs=2, seed=1, hidden_size=16, batch_size=8, seq_length=16, engine="numpy")
    losses = [(progress.step, progress.loss) for progress in run]
    assert losses[0][0] == 1
    assert losses[-1][0] == run.state.counters.step == 2 * run.training_data.steps_per_epoch
    assert all(math.isfinite(loss) for _, loss in losses)

    text = "".join(charrnn.generate(run.best, length=200, seed=1))
    assert len(text) == 200
    assert set(text) <= set(TEXT)
    sample, second = charrnn.samples(run.best, count=2, length=200, seed=1)
    assert (sample.text, sample.seed, second.seed) == (text, 1, 2)

    scored = charrnn.score(run.best, "It is a truth")
    assert scored.chars == 13
    assert scored.bpc == pytest.approx(scored.nats / math.log(2) / 13)
    assert sample.bpc == pytest.approx(charrnn.score(run.best, text).bpc)

    path = tmp_path / "m.safetensors"
    charrnn.save(path, charrnn.Checkpoint(run.best))
    model = charrnn.load(path).model
    assert "".join(charrnn.generate(model, length=200, seed=1)) == text
    assert charrnn.score(model, TEXT) == charrnn.score(run.best, TEXT)


def test_every_public_name_is_there() -> None:
    assert {name for name in charrnn.__all__ if callable(getattr(charrnn, name))} == set(charrnn.__all__)
    assert dir(charrnn) == sorted(charrnn.__all__)
    assert charrnn.Checkpoint is model_file.Checkpoint
    assert charrnn.LockedError is LockedError
    assert charrnn.read_corpus is corpus.read
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = charrnn.trian


def test_names_are_imported_when_they_are_first_used() -> None:
    code = "import charrnn, sys; print([m for m in sys.modules if m.startswith('charrnn.') or m == 'numpy'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_a_run_on_files_is_made_of_public_names(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    source = charrnn.Source((str(path),))
    read = charrnn.read_corpus(source)
    assert isinstance(read, charrnn.Corpus)
    options: charrnn.TrainOptions = {"cell": "gru", "hidden_size": 8, "steps": 2, "seed": 1, "engine": "numpy"}
    run = charrnn.train(read, source=source, **options)
    assert {progress.step for progress in run} == {1, 2}
    assert isinstance(run.history[-1], charrnn.Evaluation)
    (sample,) = charrnn.samples(run.best, count=1, length=5)
    assert isinstance(sample, charrnn.Sample)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (Path("x"), f"the corpus must be a text or bytes, not {type(Path()).__name__}: read the file first"),
        (None, "the corpus must be a text or bytes, not NoneType"),
        (5, "the corpus must be a text or bytes, not int"),
        (["x"], "the corpus must be a text or bytes, not list"),
    ],
    ids=str,
)
def test_a_corpus_that_is_no_text_is_refused(text: Any, message: str) -> None:
    with pytest.raises(charrnn.CorpusError) as error:
        charrnn.train(text, steps=1)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "name", ["generate", "samples", "sample_lines", "translate", "classify", "tag", "TextGenerator"]
)
@pytest.mark.parametrize("model", ["m.safetensors", Path("m.safetensors"), None, charrnn.Checkpoint(None)])  # type: ignore[arg-type]
def test_something_else_than_a_model_is_refused(name: str, model: Any) -> None:
    given: dict[str, Any] = {"count": 1, "length": 1} if name in ("samples", "sample_lines") else {}
    texts = [["a"]] if name in ("translate", "classify", "tag") else []
    with pytest.raises(charrnn.ConfigError, match=r"charrnn\.load\(path\)\.model"):
        getattr(charrnn, name)(model, *texts, **given)


@pytest.mark.parametrize("name", ["score", "score_lines", "surprisal"])
def test_something_else_than_a_model_scores_nothing(name: str) -> None:
    for model in ("m.safetensors", None, 3):
        with pytest.raises(charrnn.ConfigError, match=r"charrnn\.load\(path\)\.model"):
            getattr(charrnn, name)(model, "abc")
