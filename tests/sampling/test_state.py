"""The generation state: a text continues exactly where it stopped, from a file of every format."""

import json
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import model_file, tensor_file
from charrnn.checkpoint.tensor_file import TensorFile
from charrnn.config import SamplingConfig
from charrnn.errors import CheckpointError
from charrnn.sampling.filters import LOOKBACK
from charrnn.sampling.generate import TextGenerator, generate
from charrnn.sampling.state import GenerationState
from support.cells import CELLS
from support.random_models import random_model

FORMAT_1 = Path(__file__).parent.parent / "fixtures" / "format1"


def text_of(model, **options):
    return "".join(generate(model, **options))


@pytest.mark.parametrize("config", [SamplingConfig(), SamplingConfig(temp=0.1, loop_penalty=2.0)], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_text_continues_exactly_where_it_stopped(engine, cell, config, tmp_path):
    model = random_model(cell, engine=engine)
    begun = TextGenerator(model, length=150, seed=5, prime="cab", config=config)
    first = "".join(begun)
    begun.state.save(tmp_path / "text.safetensors", model)
    after = GenerationState.load(tmp_path / "text.safetensors", model)
    rest = "".join(TextGenerator(model, length=100, config=config, after=after))
    assert first + rest == text_of(model, length=250, seed=5, prime="cab", config=config)
    primed = TextGenerator(model, length=20, config=SamplingConfig(temp=0), after=after, prime="abc")
    assert "".join(primed) == text_of(model, prime="cab" + first + "abc", length=20, config=SamplingConfig(temp=0))


def test_a_text_is_continued_only_by_its_own_model(tmp_path):
    model, path = random_model(), tmp_path / "text.safetensors"
    text = TextGenerator(model, length=10)
    "".join(text)
    text.state.save(path, model)
    with pytest.raises(CheckpointError, match="another model"):
        GenerationState.load(path, random_model("gru"))
    with pytest.raises(CheckpointError, match="there is no"):
        GenerationState.load(tmp_path / "missing.safetensors", model)
    model_file.save(tmp_path / "model.safetensors", model_file.Checkpoint(model))
    with pytest.raises(CheckpointError, match="not the state of a text"):
        GenerationState.load(tmp_path / "model.safetensors", model)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context", -1),
        ("context", 9),
        ("context", "a"),
        ("recent", 0.5),
        ("recent", -1.0),
        ("recent", 10.0),
        ("rng", 1),
    ],
)
def test_a_damaged_state_is_an_error(key, value, tmp_path):
    model, path = random_model(), tmp_path / "text.safetensors"
    text = TextGenerator(model, length=10)
    "".join(text)
    text.state.save(path, model)
    file = TensorFile(path)
    metadata = {name: file.json(name) for name in ("generation", "context", "rng")}
    tensors = {"state": text.state.state, "recent": text.state.recent.astype(np.float64)}
    if key == "recent":
        tensors["recent"][-1] = value
    else:
        metadata[key] = value
    tensor_file.write(path, tensors, metadata)
    with pytest.raises(CheckpointError, match=f"'{key}'"):
        GenerationState.load(path, model)


def test_a_state_of_format_1_is_read_and_continues_as_it_did_then():
    model = model_file.load(FORMAT_1 / "stream-lstm.safetensors").model
    state = GenerationState.load(FORMAT_1 / "chant.state", model)
    wanted = json.loads((FORMAT_1 / "expected.json").read_text(encoding="utf-8"))["chant.state"]
    config = SamplingConfig(temp=0.8, loop_penalty=0.5)
    first = TextGenerator(model, prime="Fu ", length=60, seed=5, config=config)
    assert "Fu " + "".join(first) == wanted["text"]
    assert state.context == first.state.context
    assert state.rng.bit_generator.state == first.state.rng.bit_generator.state
    np.testing.assert_array_equal(state.recent, first.state.recent)
    np.testing.assert_allclose(state.state, first.state.state, rtol=0, atol=1e-6)
    assert "".join(TextGenerator(model, length=100, config=config, after=state)) == wanted["goes_on"]


def test_a_state_is_written_in_the_format_of_today(tmp_path):
    model, path = random_model(), tmp_path / "text.safetensors"
    TextGenerator(model, length=0).state.save(path, model)
    file = TensorFile(path)
    assert (file.format, file.has("generation"), file.has("continuation")) == (tensor_file.FORMAT, True, False)
    recent = GenerationState.load(path, model).recent
    np.testing.assert_array_equal(recent, np.full(LOOKBACK, len(model.vocabulary)))
