"""ONNX: files that the checker accepts, with which ONNX Runtime computes what the NumPy engine does."""

import json
from dataclasses import replace

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.checkpoint import model_file
from charrnn.checkpoint.model_file import Checkpoint, metadata_of
from charrnn.config import FORMS, WRITERS, ModelConfig
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError
from charrnn.model.forms import network_for
from charrnn.model.model import Model
from support.cells import CELLS
from support.checkpoints import SMALL_FILES, parts_of
from support.ragged import LENGTHS, READERS, problem
from support.random_models import random_model

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from charrnn.export import onnx as exported  # noqa: E402
from charrnn.export.onnx import save_onnx, to_onnx  # noqa: E402

FEW, MANY = "\n abcdeé😀", "".join(map(chr, range(33, 200)))
"""Vocabularies of fewer and of more characters than the gates of all cells have rows."""


def session(content):
    """A session of ONNX Runtime, on one core."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def signature(model):
    """The names, types and shapes of the inputs and of the outputs."""
    return [[(value.name, value.type, value.shape) for value in f()] for f in (model.get_inputs, model.get_outputs)]


# The language model


@pytest.mark.parametrize("characters", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_logits_and_states_equal_the_engines_over_several_calls(cell, layers, characters):
    model, rng, B = random_model(cell, characters, layers=layers, scale=0.5), np.random.default_rng(0), 3
    loaded, state = session(to_onnx(Checkpoint(model))), model.zero_state(B)
    names = ["h", "c"][: model.network.cell.STATES]
    given = {name: state[:, k] for k, name in enumerate(names)}
    for T in (1, 7, 20, 1, 2):
        ids = rng.integers(len(model.vocabulary), size=(T, B)).astype(np.uint8)
        wanted, state = model.forward(ids, state)
        logits, *after = loaded.run(None, {"ids": ids.astype(np.int64)} | given)
        np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5)
        for k, name in enumerate(names):
            np.testing.assert_allclose(after[k], state[:, k], rtol=0, atol=1e-5)
            given[name] = after[k]
    assert np.ptp(wanted) > 1


def test_a_state_stands_for_the_text_before_it_whatever_the_batch():
    model = random_model("lstm")
    loaded = session(to_onnx(Checkpoint(model)))
    ids = np.random.default_rng(1).integers(9, size=(12, 4))
    zeros = np.zeros((2, 4, 20), np.float32)
    whole, h, c = loaded.run(None, {"ids": ids, "h": zeros, "c": zeros})
    for row in range(4):
        rest = {"h": zeros[:, :1], "c": zeros[:, :1]}
        for t in range(12):
            logits, *state = loaded.run(None, {"ids": ids[t : t + 1, row : row + 1]} | rest)
            rest = dict(zip(("h", "c"), state, strict=True))
            np.testing.assert_allclose(logits[0, 0], whole[t, row], rtol=0, atol=1e-5)
        np.testing.assert_allclose(rest["h"], h[:, row : row + 1], rtol=0, atol=1e-5)
        np.testing.assert_allclose(rest["c"], c[:, row : row + 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_inputs_and_outputs_have_clear_names_and_free_time_and_batch(cell):
    inputs, outputs = signature(session(to_onnx(Checkpoint(random_model(cell, layers=3)))))
    states = ["h", "c"] if cell == "lstm" else ["h"]
    shape = [3, "batch", 20]
    assert inputs == [("ids", "tensor(int64)", ["time", "batch"]), *((s, "tensor(float)", shape) for s in states)]
    logits = ("logits", "tensor(float)", ["time", "batch", 9])
    assert outputs == [logits, *((f"next_{state}", "tensor(float)", shape) for state in states)]


@pytest.mark.parametrize(("characters", "first"), [(FEW, "OneHot"), (MANY, "Gather")])
@pytest.mark.parametrize("cell", CELLS)
def test_layers_are_onnxs_own_operators(cell, characters, first):
    # with 20 units an LSTM has 80 rows of weights, and fewer than 167 characters
    content = to_onnx(Checkpoint(random_model(cell, characters, layers=3)))
    proto = onnx.load_from_string(content)
    found = [node.op_type for node in proto.graph.node]
    assert found.count(cell.partition("_")[0].upper()) == 3
    assert set(found) == {first, "Split", cell.partition("_")[0].upper(), "Squeeze", "MatMul", "Add", "Concat"}
    onnx.checker.check_model(proto, full_check=True)


@pytest.mark.parametrize(("characters", "identity"), [(FEW, 0), (MANY, 4 * 80**2)], ids=["few", "many"])
def test_weights_are_in_the_file_once(characters, identity):
    model = random_model("lstm", characters, layers=3)
    second_biases = 4 * 3 * 80  # which ONNX has beside the first ones
    rest = len(to_onnx(Checkpoint(model))) - 4 * model.n_params - identity - second_biases
    assert 0 < rest < 8000


# Classifiers and taggers


@pytest.mark.parametrize("V", [7, 90])  # the gates of both directions have up to 2 · 4 · 4 rows
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("form", READERS)
def test_labels_and_tags_of_texts_of_any_lengths_equal_the_engines(form, cell, layers, V):
    case = problem(engines.load("numpy"), form, cell, layers, [1], dtype=np.float32)
    rng, config = np.random.default_rng(0), replace(case.network.config, vocab_size=V)
    network = type(case.network)(config, case.network.engine)
    params = {name: rng.normal(scale=0.5, size=s).astype(np.float32) for name, s in network.param_shapes.items()}
    loaded = session(to_onnx(Checkpoint(Model(config, Vocabulary(map(chr, range(V))), params))))
    for lengths in map(np.array, LENGTHS):
        ids = rng.integers(V, size=(max(lengths), len(lengths)))
        (found,) = loaded.run(None, {"ids": ids, "lengths": lengths})
        wanted = network.logits(params, ids.astype(np.uint8), lengths)
        assert found.shape == wanted.shape
        counts = slice(None) if form == "classifier" else np.arange(len(ids))[:, None] < lengths
        np.testing.assert_allclose(found[counts], wanted[counts], rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", READERS)
def test_networks_of_whole_texts_read_ids_and_lengths(form):
    case = problem(engines.load("numpy"), form, "gru", 2, [1], dtype=np.float32)
    model = Model(case.network.config, Vocabulary("abcdefg"), case.params)
    inputs, outputs = signature(session(to_onnx(Checkpoint(model))))
    assert inputs == [("ids", "tensor(int64)", ["time", "batch"]), ("lengths", "tensor(int64)", ["batch"])]
    shape = ["batch", 3] if form == "classifier" else ["time", "batch", 3]
    assert outputs == [("logits", "tensor(float)", shape)]


# The file


@pytest.mark.parametrize("files", [name for name in SMALL_FILES if name != "small_translations"])
def test_the_metadata_is_that_of_the_models_file(files, request, tmp_path):
    path = request.getfixturevalue(files)["model"]
    checkpoint = model_file.load(path)
    save_onnx(tmp_path / "a.onnx", checkpoint)
    assert (tmp_path / "a.onnx").read_bytes() == to_onnx(checkpoint)
    found = session(str(tmp_path / "a.onnx")).get_modelmeta()
    assert found.custom_metadata_map == parts_of(path)[1]
    assert {"vocabulary", "model", "corpus", "history", "training"} <= found.custom_metadata_map.keys()
    assert (found.producer_name, found.graph_name) == ("charrnn", "charrnn")


def test_what_a_model_was_trained_on_can_be_left_out(small, tmp_path):
    model_file.save(tmp_path / "again.safetensors", model_file.load(small["model"]).without_provenance())
    content = to_onnx(model_file.load(small["model"]).without_provenance())
    found = session(content).get_modelmeta().custom_metadata_map
    assert found == parts_of(tmp_path / "again.safetensors")[1]
    assert set(found) == {"charrnn", "layout", "model", "unseen", "version", "vocabulary"}


def test_every_character_comes_back_from_the_metadata():
    for characters in ("\n\0é😀\ud800\udcff\U0010ffff", None):
        checkpoint = Checkpoint(random_model(characters=characters))
        found = session(to_onnx(checkpoint)).get_modelmeta().custom_metadata_map
        wanted = metadata_of(checkpoint)["vocabulary"]
        assert json.loads(found["vocabulary"]) == wanted == ("bytes" if characters is None else list(characters))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_file_or_an_error_in_one_line(form):
    config = ModelConfig(9, hidden_size=3, form=form, outputs=0 if form in WRITERS else 4)
    shapes = network_for(config, engines.load("numpy")).param_shapes
    model = Model(config, Vocabulary(FEW), {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    if form != "translator":
        assert onnx.load_from_string(to_onnx(Checkpoint(model))).graph.output[0].name == "logits"
        return
    with pytest.raises(ConfigError, match=r"^a translator can't be an ONNX file, only .* can$"):
        to_onnx(Checkpoint(model))


def test_clamped_units_and_weights_that_are_too_large_are_refused(monkeypatch):
    with pytest.raises(ConfigError, match=r"^a model with clamped units can't be .* without them$"):
        to_onnx(Checkpoint(random_model().clamp_units({(0, 1): 0.5})))
    monkeypatch.setattr(exported, "MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match=r"^the weights take 0\.0 GiB, and an ONNX file has less than 2 GiB$"):
        to_onnx(Checkpoint(random_model()))


def test_a_file_that_cant_be_written_is_an_error_of_its_own(tmp_path):
    with pytest.raises(CheckpointError, match=r"it is not a regular file$"):
        save_onnx(tmp_path, Checkpoint(random_model()))
