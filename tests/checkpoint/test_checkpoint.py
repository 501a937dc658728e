"""The checkpoint: a model and a training come back as they were, and no file, however hostile, does worse than fail."""

import hashlib
import json
import math
import os
import struct
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from conftest import VERSE, begin, run_of
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from charrnn.checkpoint import model_file, naming, training_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import ModelConfig
from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import Source
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.sampling.generate import generate
from charrnn.training.trainer import Trainer


def checkpoint_of(training):
    s = training.state
    return Checkpoint(training.best, training.best_step, s.training, s.corpus, training.history)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The two files of a small training: its model's, and the one to resume it from. Not to be changed."""
    folder = tmp_path_factory.mktemp("small")
    training = run_of("abcab " * 50, hidden_size=2, layers=1, steps=3, eval_every=1, val_fraction=0.4)
    training.state.source = Source(("a.txt", "-"))
    model_file.save(folder / "a.safetensors", checkpoint_of(training))
    training_file.save_state(folder / "a.resume.safetensors", training.state)
    return {"model": folder / "a.safetensors", "training": folder / "a.resume.safetensors"}


LOAD = {"model": model_file.load, "training": training_file.load_state}


def refused(kind, path):
    """The text with which a file is refused: one line, fit to be shown."""
    with pytest.raises(CheckpointError) as caught:
        LOAD[kind](path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def parts_of(path):
    """The tensors and the metadata of a file, free to be changed."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118


def same(one, other):
    """Whether two dictionaries hold the same arrays, bit by bit."""
    return one.keys() == other.keys() and all(
        a.dtype == other[name].dtype and a.shape == other[name].shape and a.tobytes() == other[name].tobytes()
        for name, a in one.items()
    )


# Round trips


@pytest.mark.parametrize("characters", ["a", "\n\0é😀\ud800\udcff\U0010ffff", None])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_model_comes_back(engine, cell, layers, characters, tmp_path):
    vocabulary = Vocabulary(characters)
    config, rng = ModelConfig(len(vocabulary), cell, 5, layers, 0.25), np.random.default_rng(0)
    shapes = network.param_shapes(config, network.cell_of(config, engine))
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    model_file.save(tmp_path / "a.safetensors", Checkpoint(Model(config, vocabulary, params, engine)))
    found = model_file.load(tmp_path / "a.safetensors")
    assert (found.model.config, found.model.vocabulary) == (config, vocabulary)
    assert same(found.model.params, params)
    assert list(found.model.params) == list(params)
    assert (found.step, found.training, found.corpus, found.history) == (None, None, None, [])


def test_how_a_model_came_to_be_comes_back(trained, tmp_path):
    saved = checkpoint_of(trained)
    model_file.save(tmp_path / "a.safetensors", saved)
    found = model_file.load(tmp_path / "a.safetensors")
    assert replace(found, model=None, version="") == replace(saved, model=None)
    assert found.version == version("charrnn")
    assert len(found.history) == 4
    assert found.model.engine is trained.engine
    assert "".join(generate(found.model, length=50)) == "".join(generate(saved.model, length=50))


def test_what_other_programs_find_in_the_metadata(trained, tmp_path):
    model_file.save(tmp_path / "a.safetensors", checkpoint_of(trained))
    tensors, metadata = parts_of(tmp_path / "a.safetensors")
    found = {key: json.loads(text) for key, text in metadata.items()}
    characters = "".join(sorted(set(VERSE)))
    raw = VERSE.encode()
    assert found["charrnn"] == 1
    assert found["version"] == version("charrnn")
    assert found["model"] == {
        "vocab_size": len(characters),
        "cell": "lstm",
        "hidden_size": 8,
        "layers": 2,
        "dropout": 0.0,
        "locked": False,
        "drop_connect": 0.0,
    }
    assert found["vocabulary"] == list(characters)
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


@pytest.mark.parametrize("run", ["trained", "trained_on_bytes"])
def test_a_snapshot_comes_back(run, request, tmp_path):
    saved = request.getfixturevalue(run).state
    training_file.save_state(tmp_path / "a.resume.safetensors", saved)
    found = training_file.load_state(tmp_path / "a.resume.safetensors")
    for name in ("model", "training", "vocabulary", "corpus", "source", "history", "at"):
        assert getattr(found, name) == getattr(saved, name), name
    for name in ("params", "moments", "best"):
        assert getattr(found, name)
        assert same(getattr(found, name), getattr(saved, name)), name
    assert found.state.tobytes() == saved.state.tobytes()
    assert found.state.any()
    assert found.rng.bit_generator.state == saved.rng.bit_generator.state
    assert found.at.step == 40


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "adagrad", "sgd"])
def test_a_snapshot_goes_on_as_the_training_would_have(optimizer, tmp_path):
    options = {"optimizer": optimizer, "lr": 0.01, "dropout": 0.3, "steps": 12, "eval_every": 5}
    whole, begun = run_of(VERSE, **options), begin(VERSE, **options)
    steps = iter(begun)
    while begun.state.counters.step < 7:
        next(steps)
    training_file.save_state(tmp_path / "a.resume.safetensors", begun.state)
    steps.close()
    again = Trainer(from_text(VERSE), training_file.load_state(tmp_path / "a.resume.safetensors"))
    for _ in again:
        pass
    for name in ("params", "moments", "best"):
        assert same(getattr(again.state, name), getattr(whole.state, name)), name
    assert again.history == whole.history
    assert again.state.counters == whole.state.counters


def test_a_snapshot_before_the_first_step_comes_back(tmp_path):
    saved = begin(VERSE).state
    training_file.save_state(tmp_path / "a.resume.safetensors", saved)
    found = training_file.load_state(tmp_path / "a.resume.safetensors")
    assert same(found.params, saved.params)
    assert (found.best, found.history, found.at) == ({}, [], saved.at)


def test_the_same_model_and_the_same_training_give_the_same_bytes(trained, tmp_path):
    for name in ("one", "other"):
        model_file.save(tmp_path / name, checkpoint_of(trained))
        training_file.save_state(tmp_path / f"{name}.resume", trained.state)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert (tmp_path / "one.resume").read_bytes() == (tmp_path / "other.resume").read_bytes()


def test_a_model_that_is_read_and_written_again_is_the_same(small, tmp_path):
    model_file.save(tmp_path / "again", model_file.load(small["model"]))
    assert (tmp_path / "again").read_bytes() == small["model"].read_bytes()
    training_file.save_state(tmp_path / "again", training_file.load_state(small["training"]))
    assert (tmp_path / "again").read_bytes() == small["training"].read_bytes()


# Where the files lie


def test_the_training_lies_beside_its_model(tmp_path):
    assert naming.resume_path(tmp_path / "a.safetensors") == tmp_path / "a.resume.safetensors"
    assert naming.resume_path(tmp_path / "a.b") == tmp_path / "a.b.resume.safetensors"


def test_the_newest_is_the_one_written_last(tmp_path):
    for age, name in enumerate(["c.resume", "b", "a", "b.resume"]):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
        os.utime(tmp_path / f"{name}.safetensors", (1000 - age, 1000 - age))
    (tmp_path / ".d.safetensors.1.tmp").write_bytes(b"")
    assert naming.newest(tmp_path) == tmp_path / "b.safetensors"
    assert naming.newest_resumable(tmp_path) == tmp_path / "c.safetensors"


def test_there_may_be_no_newest(tmp_path):
    (tmp_path / "a.resume.safetensors").write_bytes(b"")
    for folder, newest in (
        (tmp_path, naming.newest),
        (tmp_path / "nowhere", naming.newest),
        (tmp_path / "nowhere", naming.newest_resumable),
    ):
        with pytest.raises(CheckpointError, match=r"nothing is in .* yet"):
            newest(folder)


# Hostile files

KINDS = pytest.mark.parametrize("kind", ["model", "training"])
REQUIRED = {
    "model": ("model", "vocabulary"),
    "training": ("model", "vocabulary", "training", "corpus", "history", "position", "rng", "source"),
}
OPTIONAL = ("training", "corpus", "history", "step", "version")


@KINDS
def test_a_file_that_is_missing_and_a_folder(kind, tmp_path):
    refused(kind, tmp_path / "nowhere.safetensors")
    assert "is no file" in refused(kind, tmp_path)


def test_one_kind_of_file_is_not_the_other(small):
    assert "is the state of a training" in refused("model", small["training"])
    refused("training", small["model"])


@KINDS
def test_a_file_cut_short_anywhere(kind, small, tmp_path):
    whole, path = small[kind].read_bytes(), tmp_path / "short.safetensors"
    path.write_bytes(whole + b"\0")
    refused(kind, path)
    path.write_bytes(whole)
    LOAD[kind](path)
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        refused(kind, path)


@settings(max_examples=500)
@given(st.sampled_from(["model", "training"]), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4))
def test_a_file_with_a_few_wrong_bytes_is_read_or_refused(small, kind, where, wrong):
    raw, path = bytearray(small[kind].read_bytes()), small[kind].with_name("wrong.safetensors")
    at = int(where * len(raw))
    raw[at : at + len(wrong)] = wrong
    path.write_bytes(raw)
    try:
        LOAD[kind](path)
    except CharRNNError as error:
        assert "\n" not in str(error)  # noqa: PT017


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@settings(max_examples=500)
@given(st.sampled_from(["model", "training"]), ANYTHING, st.data())
def test_a_file_with_anything_in_its_metadata_is_read_or_refused(small, kind, anything, data):
    tensors, metadata = parts_of(small[kind])
    path = small[kind].with_name("odd.safetensors")
    key = data.draw(st.sampled_from(sorted(metadata)))
    value = json.loads(metadata[key])
    if isinstance(value, dict) and data.draw(st.booleans()):
        value[data.draw(st.sampled_from(sorted(value)))] = anything
    else:
        value = anything
    save_file(tensors, path, metadata | {key: json.dumps(value)})
    try:
        LOAD[kind](path)
    except CharRNNError as error:
        assert "\n" not in str(error)  # noqa: PT017


@KINDS
@pytest.mark.parametrize("text", ["", "x", "{", "true", "5", "1.5", '"x"', "[[]]", "[1]", '{"a": 1}', "[" * 100_000])
def test_metadata_that_are_not_what_they_should_be(kind, text, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    for key in REQUIRED[kind] + (OPTIONAL[:3] if kind == "model" else ()):
        save_file(tensors, tmp_path / "bad.safetensors", metadata | {key: text})
        assert repr(key) in refused(kind, tmp_path / "bad.safetensors")


@KINDS
def test_metadata_that_are_missing(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    for key in REQUIRED[kind]:
        save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in metadata.items() if k != key})
        assert repr(key) in refused(kind, tmp_path / "bad.safetensors")
    save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in metadata.items() if k != "charrnn"})
    assert "not written for charrnn" in refused(kind, tmp_path / "bad.safetensors")


def test_what_a_model_can_do_without(small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    for key in OPTIONAL:
        metadata.pop(key)
        save_file(tensors, tmp_path / "a.safetensors", metadata)
        found = model_file.load(tmp_path / "a.safetensors")
        assert same(found.model.params, model_file.load(small["model"]).model.params)
    assert (found.step, found.training, found.corpus, found.history, found.version) == (None, None, None, [], "")


@KINDS
@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 0},
        {"vocab_size": -3},
        {"vocab_size": 5},  # which the vocabulary is not
        {"vocab_size": 3.0},
        {"vocab_size": True},
        {"vocab_size": "3"},
        {"vocab_size": None},
        {"vocab_size": 2**63},
        {"cell": "transformer"},
        {"cell": ["lstm"]},
        {"cell": "gru"},  # which the tensors are not
        {"hidden_size": 0},
        {"hidden_size": 3},
        {"hidden_size": 65536},
        {"hidden_size": 65537},
        {"layers": 0},
        {"layers": 2},
        {"layers": 64},
        {"layers": 10**9},
        {"dropout": -0.1},
        {"dropout": 1.0},
        {"dropout": float("nan")},
        {"dropout": float("inf")},
        {"colour": "red"},
    ],
)
def test_a_model_out_of_range_or_other_than_its_tensors(kind, change, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    metadata["model"] = json.dumps(json.loads(metadata["model"]) | change)
    save_file(tensors, tmp_path / "bad.safetensors", metadata)
    refused(kind, tmp_path / "bad.safetensors")


@KINDS
@pytest.mark.parametrize(
    "vocabulary",
    [
        ["a", "b"],
        ["a", "b", "c", "d", "e"],
        ["a", "b", "c", "a"],
        ["a", "b", "c", ""],
        ["a", "b", "c", "de"],
        ["a", "b", "c", 4],
        ["a", "b", "c", None],
        ["a", "b", "c", ["d"]],
        "bytes",
        " abc",  # four characters, but no list of them
        "bytes ",
        [],
        None,
        {"a": 0},
        {"a": 0, "b": 1, "c": 2, " ": 3},
        4,
    ],
)
def test_a_vocabulary_that_is_not_the_models(kind, vocabulary, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    assert len(json.loads(metadata["vocabulary"])) == 4
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"vocabulary": json.dumps(vocabulary)})
    assert "its 'vocabulary' is not what it should be" in refused(kind, tmp_path / "bad.safetensors")


@KINDS
def test_a_newer_format(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"charrnn": "2"})
    assert "newer charrnn (format 2)" in refused(kind, tmp_path / "bad.safetensors")


@KINDS
def test_tensors_that_are_not_the_models(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    path = tmp_path / "bad.safetensors"
    save_file(tensors | {"extra": np.zeros(1, np.float32)}, path, metadata)
    assert "an unexpected tensor 'extra'" in refused(kind, path)
    for name, tensor in tensors.items():
        save_file({k: t for k, t in tensors.items() if k != name}, path, metadata)
        assert f"lacks tensor {name!r}" in refused(kind, path)
        wrong_shape, wrong_type, no_number = tensor[..., None], tensor.astype(np.int32), tensor.copy()
        no_number.flat[-1] = np.nan
        for wrong in (wrong_shape, wrong_type, no_number):
            save_file(tensors | {name: wrong}, path, metadata)
            assert f"tensor {name!r}" in refused(kind, path)


@KINDS
def test_tensors_too_large_for_single_precision(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    for name, tensor in tensors.items():
        huge = tensor.astype(np.float64)
        huge.flat[-1] = -1e39
        save_file(tensors | {name: huge}, tmp_path / "bad.safetensors", metadata)
        assert f"tensor {name!r}" in refused(kind, tmp_path / "bad.safetensors")


def test_biases_that_add_up_to_no_number(small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    huge = {name: np.full_like(tensors[name], 3e38) for name in ("rnn.bias_ih_l0", "rnn.bias_hh_l0")}
    for name, bias in huge.items():  # each is a number
        save_file(tensors | {name: bias}, tmp_path / "a.safetensors", metadata)
        model_file.load(tmp_path / "a.safetensors")
    save_file(tensors | huge, tmp_path / "bad.safetensors", metadata)
    assert "biases" in refused("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("training", {"steps": -1}),
        ("training", {"optimizer": "magic"}),
        ("training", {"optimizer": "sgd"}),  # whose moments are others
        ("training", {"batch_size": 5}),  # whose state has more rows
        ("training", {"lr": float("nan")}),
        ("training", {"engine": "pickle"}),
        ("training", {"threads": 0}),
        ("corpus", {"training": 1}),
        ("corpus", {"size": -1}),
        ("corpus", {"name": None}),
        ("position", {"step": -1}),
        ("position", {"step": 2**60}),
        ("position", {"chunk": 0.5}),
        ("position", {"step": True}),
        ("position", {"step": 2}),  # of three, which were an epoch
        ("position", {"step": 4}),
        ("position", {"epoch": 0}),
        ("position", {"epoch": 2}),
        ("position", {"epoch": -1}),
        ("position", {"chunk": 1}),
        ("position", {"chunk": 3, "epoch": 0}),  # which are the next epoch's first
        ("position", {"chunk": -3, "epoch": 2}),
        ("position", {"offset": 16}),
        ("position", {"offset": -1}),
        ("position", {"best_step": 4}),
        ("position", {"best_step": -1}),
        ("position", {"loss_sum": "much"}),
        ("position", {"loss_sum": -1.0}),
        ("position", {"loss_sum": float("nan")}),
        ("position", {"loss_sum": float("inf")}),
        ("position", {"loss_steps": -1}),
        ("rng", {"bit_generator": "MT19937"}),
        ("rng", {"state": 1}),
        ("rng", {"state": {"state": -1, "inc": 1}}),
        ("rng", {"state": {"state": 2**200, "inc": 1}}),
        ("rng", {"state": {"state": "a", "inc": 1}}),
        ("rng", {"state": {}}),
        ("rng", {"has_uint32": "x"}),
        ("rng", {"uinteger": 2**40}),
        ("source", {"paths": []}),
        ("source", {"paths": [1]}),
        ("source", {"paths": 1}),
        ("source", {"as_bytes": 1}),
        ("source", {"as_bytes": "false"}),
        ("source", {"as_bytes": None}),
        ("source", {"encoding": 8}),
        ("source", {"errors": None}),
        ("source", {"colour": "red"}),
    ],
)
def test_a_training_out_of_range(key, change, small, tmp_path):
    tensors, metadata = parts_of(small["training"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {key: json.dumps(json.loads(metadata[key]) | change)})
    assert refused("training", tmp_path / "bad.safetensors")


@pytest.fixture(scope="module")
def of_records(tmp_path_factory):
    """The two files of a small training on records. Not to be changed."""
    folder = tmp_path_factory.mktemp("records")
    training = run_of("ab\nabc\nca\n" * 50, lines=True, hidden_size=2, layers=1, steps=3, val_fraction=0)
    model_file.save(folder / "a.safetensors", checkpoint_of(training))
    training_file.save_state(folder / "a.resume.safetensors", training.state)
    return {"model": folder / "a.safetensors", "training": folder / "a.resume.safetensors"}


@pytest.mark.parametrize("text", ["", "null", "1", "[]", "{}", '{"longest": 3}', '{"longest": 3, "digests": "AAAA"}'])
def test_knowledge_of_lines_that_is_none(text, of_records, tmp_path):
    tensors, metadata = parts_of(of_records["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"records": text})
    assert "its 'records' is not what it should be" in refused("model", tmp_path / "bad.safetensors")


def test_a_model_of_records_that_can_not_end_a_line(of_records, tmp_path):
    tensors, metadata = parts_of(of_records["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"vocabulary": '["d", "a", "b", "c"]'})
    assert "'vocabulary'" in refused("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("corpus", {"training_lines": 0}),
        ("corpus", {"training_lines": -1}),
        ("corpus", {"training_lines": 5}),
        ("corpus", {"training_lines": "150"}),
        ("corpus", {"validation_lines": -1}),
        ("training", {"lines": False}),  # whose epochs go fewer ways
        ("training", {"lines": 1}),
        ("training", {"batch_size": 5}),
        ("position", {"chunk": -1}),
        ("position", {"offset": -1}),
    ],
)
def test_a_training_on_records_out_of_range(key, change, of_records, tmp_path):
    tensors, metadata = parts_of(of_records["training"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {key: json.dumps(json.loads(metadata[key]) | change)})
    assert refused("training", tmp_path / "bad.safetensors")


def test_what_was_written_before_there_were_records_is_read(small, tmp_path):
    for kind, load in LOAD.items():
        tensors, metadata = parts_of(small[kind])
        training, corpus = (json.loads(metadata[key]) for key in ("training", "corpus"))
        del training["lines"], corpus["training_lines"], corpus["validation_lines"]
        older = metadata | {"training": json.dumps(training), "corpus": json.dumps(corpus)}
        save_file(tensors, tmp_path / "old.safetensors", older)
        assert load(tmp_path / "old.safetensors").training == load(small[kind]).training


ROW = {"step": 4, "epoch": 0, "lr": 0.1, "train_loss": 1.0, "val_loss": None}


@KINDS
@pytest.mark.parametrize(
    "row",
    [
        {},
        {"step": 4},
        ROW | {"step": "4"},
        ROW | {"val_loss": "low"},
        ROW | {"val_loss": True},
        ROW | {"val_loss": math.nan},
        ROW | {"val_loss": math.inf},
        ROW | {"val_loss": -0.1},
        ROW | {"val_loss": 1e301},
        ROW | {"val_loss": 10**400},
        ROW | {"train_loss": math.nan},
        ROW | {"train_loss": -math.inf},
        ROW | {"train_loss": -1},
        ROW | {"train_loss": 1e301},
        ROW | {"lr": math.nan},
        ROW | {"lr": -0.1},
        ROW | {"step": -1},
        ROW | {"step": True},
        ROW | {"epoch": -1},
        ROW | {"bpc": 1},
        1,
        [],
    ],
)
def test_a_history_of_something_else(kind, row, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    rows, path = json.loads(metadata["history"]), tmp_path / "bad.safetensors"
    save_file(tensors, path, metadata | {"history": json.dumps([*rows, ROW])})
    assert len(LOAD[kind](path).history) == len(rows) + 1
    save_file(tensors, path, metadata | {"history": json.dumps([*rows, row])})
    assert "'history'" in refused(kind, path)


@pytest.mark.parametrize("step", ['"1"', "1.5", "[]", "{}", "x", "true", "false", "-1", "NaN"])
def test_a_step_that_is_no_number(step, small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"step": step})
    assert "'step'" in refused("model", tmp_path / "bad.safetensors")


def test_a_header_that_tells_of_more_than_there_is(small, tmp_path):
    raw, path = small["model"].read_bytes(), tmp_path / "bad.safetensors"
    for length in (0, 1, 7, len(raw), 2**32, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + raw[8:])
        refused("model", path)
