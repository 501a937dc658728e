"""The n-grams in the model's file: they come back as they were, and what is no table is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from charrnn.checkpoint import model_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.errors import CheckpointError
from charrnn.model import ngrams
from charrnn.scoring.score import surprisal
from support.checkpoints import ANYTHING, check_read_or_refused, load_error, parts_of
from support.random_models import random_model

TEXT = "abcab cab deab cabbed\nabe cabbed\n" * 4


@pytest.fixture(scope="module")
def model():
    found = random_model(characters="\n abcde")
    ids = found.vocabulary.encode(TEXT)
    table = ngrams.count(ids, len(found.vocabulary), 4, found.start, np.arange(len(ids)) == 0)
    return replace(found, ngrams=replace(table, weight=0.3, loss=1.25))


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("ngrams") / "a.safetensors"
    model_file.save(path, Checkpoint(model))
    return path


def test_a_table_comes_back(model, path):
    found = model_file.load(path).model
    for name, array in vars(model.ngrams).items():
        np.testing.assert_array_equal(getattr(found.ngrams, name), array)
    np.testing.assert_array_equal(surprisal(found, TEXT), surprisal(model, TEXT))


def test_a_vocabulary_of_any_size_has_a_table(tmp_path):
    for characters in (None, "".join(map(chr, range(10, 400)))):
        model = random_model(characters=characters)
        ids = np.arange(256).astype(model.vocabulary.dtype).repeat(2)
        table = ngrams.count(ids, len(model.vocabulary), 2, model.start, np.arange(512) == 0)
        model_file.save(tmp_path / "a.safetensors", Checkpoint(replace(model, ngrams=table)))
        found = model_file.load(tmp_path / "a.safetensors").model.ngrams
        np.testing.assert_array_equal(found.follower_keys, table.follower_keys)
        np.testing.assert_array_equal(found.child_keys, table.child_keys)


def changed(path, folder, tensors=None, **settings):
    """A copy of the file with other tensors or settings of the table."""
    found, metadata = parts_of(path)
    about = json.loads(metadata["ngrams"]) | settings
    save_file(found | (tensors or {}), folder / "b.safetensors", metadata | {"ngrams": json.dumps(about)})
    return folder / "b.safetensors"


@pytest.mark.parametrize(
    "settings",
    [
        {"order": 3},
        {"order": 12},
        {"order": True},
        {"contexts": 0},
        {"contexts": 10**12},
        {"followers": -1},
        {"discounts": [0.5] * 4},
        {"discounts": [0.5, 0.5, 0.5, 0.5, 0.0]},
        {"discounts": [0.5, 0.5, 0.5, 0.5, 1.5]},
        {"discounts": "01234"},
        {"discounts": None},
        {"weight": 1.1},
        {"weight": float("nan")},
        {"weight": "0.2"},
        {"loss": -1.0},
        {"loss": 10**400},
        {"weight": 10**400},
        {"discounts": [10**400] * 5},
        {"order": 0},
        {"loss": []},
    ],
    ids=str,
)
def test_settings_of_no_table_are_refused(path, settings, tmp_path):
    load_error("model", changed(path, tmp_path, **settings))


@given(data=st.data())
def test_any_other_numbers_are_read_or_refused(path, data, tmp_path_factory):
    tensors = {name: tensor for name, tensor in parts_of(path)[0].items() if name.startswith("ngrams")}
    name = data.draw(st.sampled_from(sorted(tensors)))
    tensor, place = tensors[name].copy(), data.draw(st.integers(0, len(tensors[name]) - 1))
    tensor[place] = data.draw(st.integers(0, np.iinfo(tensor.dtype).max))
    other = changed(path, tmp_path_factory.mktemp("other"), {name: tensor})
    check_read_or_refused("model", other)
    if tensor[place] != tensors[name][place] and name != "ngrams.counts":
        try:
            table = model_file.load(other).model.ngrams
        except CheckpointError:
            return
        assert table.distribution(np.zeros(table.order, int)).sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["oldest", "children", "kinds", "followers", "counts"])
def test_tensors_of_another_kind_are_refused(path, name, tmp_path):
    tensors = parts_of(path)[0]
    whole = tensors[f"ngrams.{name}"]
    for other in (whole.astype(np.float32), whole.astype(np.int64), whole[:-1], whole[None], np.zeros_like(whole)):
        if name != "oldest" or other.any():
            load_error("model", changed(path, tmp_path, {f"ngrams.{name}": other}))
    del tensors[f"ngrams.{name}"]
    save_file(tensors, tmp_path / "c.safetensors", parts_of(path)[1])
    assert "lacks tensor" in load_error("model", tmp_path / "c.safetensors")


@given(anything=ANYTHING)
def test_anything_in_the_metadata_is_read_or_refused(path, anything, tmp_path_factory):
    tensors, metadata = parts_of(path)
    other = tmp_path_factory.mktemp("any") / "a.safetensors"
    save_file(tensors, other, metadata | {"ngrams": json.dumps(anything)})
    check_read_or_refused("model", other)


def test_tensors_without_the_key_are_refused(path, tmp_path):
    tensors, metadata = parts_of(path)
    del metadata["ngrams"]
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    assert "unexpected tensor 'ngrams." in load_error("model", tmp_path / "a.safetensors")
