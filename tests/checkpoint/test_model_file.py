"""The model's file: a model comes back as it was, and other programs find what they need."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from charrnn.checkpoint import model_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model.model import Model
from charrnn.model.network import Network
from charrnn.sampling.generate import generate
from charrnn.version import VERSION
from support.cells import CELLS, cell_options, model_config
from support.checkpoints import load_error, parts_of, same_arrays
from support.trainings import VERSE


@pytest.mark.parametrize("characters", ["a", "\n\0é😀\ud800\udcff\U0010ffff", None])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_model_comes_back(engine, cell, layers, characters, tmp_path):
    vocabulary = Vocabulary(characters)
    config, rng = model_config(len(vocabulary), cell, 5, layers, 0.25), np.random.default_rng(0)
    shapes = Network(config, engine).param_shapes
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    model_file.save(tmp_path / "a.safetensors", Checkpoint(Model(config, vocabulary, params, engine)))
    found = model_file.load(tmp_path / "a.safetensors")
    assert (found.model.config, found.model.vocabulary) == (config, vocabulary)
    assert (found.model.layout, found.model.line_set) == ("stream", None)
    assert same_arrays(found.model.params, params)
    assert list(found.model.params) == list(params)
    assert (found.step, found.training, found.corpus, found.history) == (None, None, None, [])


@pytest.mark.parametrize("cell", CELLS)
def test_a_file_without_a_nonlinearity_as_older_ones_are_has_tanh(engine, cell, tmp_path):
    network = Network(model_config(2, cell, 5, 2), engine)
    params = {name: np.ones(shape, np.float32) for name, shape in network.param_shapes.items()}
    model_file.save(tmp_path / "a.safetensors", Checkpoint(Model(network.config, Vocabulary("ab"), params, engine)))
    tensors, metadata = parts_of(tmp_path / "a.safetensors")
    settings = json.loads(metadata["model"])
    assert settings.pop("nonlinearity") == cell_options(cell).get("nonlinearity", "tanh")
    save_file(tensors, tmp_path / "older.safetensors", metadata | {"model": json.dumps(settings)})
    found = model_file.load(tmp_path / "older.safetensors").model
    assert found.config == replace(network.config, nonlinearity="tanh")
    assert same_arrays(found.params, params)


def test_how_a_model_was_trained_comes_back(trained, tmp_path):
    saved = Checkpoint.from_trainer(trained)
    model_file.save(tmp_path / "a.safetensors", saved)
    found = model_file.load(tmp_path / "a.safetensors")
    assert replace(found, model=None, version="") == replace(saved, model=None)
    assert found.version == VERSION
    assert found.run_id == trained.state.run_id != ""
    assert len(found.history) == 4
    assert found.model.engine is trained.network.engine
    assert "".join(generate(found.model, length=50)) == "".join(generate(saved.model, length=50))


def test_what_other_programs_find_in_the_metadata(trained, tmp_path):
    model_file.save(tmp_path / "a.safetensors", Checkpoint.from_trainer(trained))
    tensors, metadata = parts_of(tmp_path / "a.safetensors")
    found = {key: json.loads(text) for key, text in metadata.items()}
    characters = "".join(sorted(set(VERSE)))
    raw = VERSE.encode()
    assert found["charrnn"] == 2
    assert found["version"] == VERSION
    assert found["model"] == {
        "vocab_size": len(characters),
        "cell": "lstm",
        "hidden_size": 8,
        "layers": 2,
        "dropout": 0.0,
        "locked_dropout": False,
        "drop_connect": 0.0,
        "form": "language_model",
        "outputs": 0,
        "nonlinearity": "tanh",
    }
    assert found["vocabulary"] == list(characters)
    assert found["layout"] == found["training"]["layout"] == "stream"
    assert found["seed"] == found["training"]["seed"] == 1
    assert found["training"]["optimizer"] == "adam"
    assert found["corpus"]["size"] == len(raw)
    assert found["corpus"]["digest"] == hashlib.sha256(raw).hexdigest()
    assert found["split"] == {"training": len(raw) - len(raw) // 10, "validation": len(raw) // 10}
    assert [row["step"] for row in found["history"]] == [10, 20, 30, 40]
    assert found["step"] in (10, 20, 30, 40)
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layers = {f"rnn.{part}_l{layer}" for part in parts for layer in (0, 1)}
    assert set(tensors) == layers | {"decoder.weight", "decoder.bias"}


def test_the_same_model_gives_the_same_bytes(trained, tmp_path):
    for name in ("one", "other"):
        model_file.save(tmp_path / name, Checkpoint.from_trainer(trained))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("files", ["small", "small_lines"])
def test_a_model_that_is_read_and_written_again_is_the_same(files, request, tmp_path):
    path = request.getfixturevalue(files)["model"]
    model_file.save(tmp_path / "again", model_file.load(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_of_continuous_text_is_written_without_a_line_set(small_lines, tmp_path):
    model = model_file.load(small_lines["model"]).model
    model_file.save(tmp_path / "a.safetensors", Checkpoint(replace(model, layout="stream")))
    found = model_file.load(tmp_path / "a.safetensors").model
    assert (found.layout, found.line_set) == ("stream", None)
    assert same_arrays(found.params, model.params)


def test_a_model_does_without_what_other_programs_do_not_write(small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    for key in ("training", "corpus", "history", "step", "version", "layout", "run", "split", "seed", "unseen"):
        metadata.pop(key)
        save_file(tensors, tmp_path / "a.safetensors", metadata)
        found = model_file.load(tmp_path / "a.safetensors")
        assert same_arrays(found.model.params, model_file.load(small["model"]).model.params)
    assert set(metadata) == {"charrnn", "model", "vocabulary"}
    assert (found.step, found.training, found.corpus, found.history, found.version) == (None, None, None, [], "")
    assert (found.model.layout, found.run_id) == ("stream", "")


@pytest.mark.parametrize("step", ['"1"', "1.5", "[]", "{}", "x", "true", "false", "-1", "NaN"])
def test_a_step_that_is_not_a_count_is_refused(step, small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"step": step})
    assert "'step'" in load_error("model", tmp_path / "bad.safetensors")


def test_biases_whose_sum_is_infinite_are_refused(small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    huge = {name: np.full_like(tensors[name], 3e38) for name in ("rnn.bias_ih_l0", "rnn.bias_hh_l0")}
    for name, bias in huge.items():  # each alone is finite
        save_file(tensors | {name: bias}, tmp_path / "a.safetensors", metadata)
        model_file.load(tmp_path / "a.safetensors")
    save_file(tensors | huge, tmp_path / "bad.safetensors", metadata)
    assert "biases" in load_error("model", tmp_path / "bad.safetensors")


def test_a_training_state_is_not_taken_for_a_model(small):
    assert "is a training state" in load_error("model", small["training"])
