"""The public names of the package, as its docstring shows them."""

import math
from pathlib import Path

import pytest

import charrnn
from charrnn.checkpoint import model_file
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
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = charrnn.trian
