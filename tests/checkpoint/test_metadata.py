"""Hostile files of both kinds: whatever is in their metadata or tensors, nothing worse happens than an error."""

import json
import math
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from charrnn.checkpoint import training_file
from charrnn.checkpoint.tensor_file import FORMAT
from charrnn.config import LAYOUTS, WRITERS
from charrnn.dataset.files import Source
from charrnn.dataset.table_form import TableForm
from charrnn.dataset.text_form import TextForm
from support.checkpoints import ANYTHING, LOAD, SMALL_FILES, check_read_or_refused, load_error, parts_of, with_anything

KINDS = pytest.mark.parametrize("kind", ["model", "training"])
REQUIRED = {
    "model": ("model", "vocabulary"),
    "training": ("model", "vocabulary", "training", "corpus", "history", "counters", "rng", "source"),
}
OPTIONAL = ("training", "corpus", "history", "layout")
"""What a model can do without, but not have wrong."""


# Files that are none


@KINDS
def test_a_missing_file_and_a_folder(kind, tmp_path):
    load_error(kind, tmp_path / "nowhere.safetensors")
    assert "is not a file" in load_error(kind, tmp_path)


@KINDS
def test_a_file_cut_short_anywhere(kind, small, tmp_path):
    whole, path = small[kind].read_bytes(), tmp_path / "short.safetensors"
    path.write_bytes(whole + b"\0")
    load_error(kind, path)
    path.write_bytes(whole)
    LOAD[kind](path)
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        load_error(kind, path)


@KINDS
def test_a_header_that_is_longer_than_the_file(kind, small, tmp_path):
    raw, path = small[kind].read_bytes(), tmp_path / "bad.safetensors"
    for length in (0, 1, 7, len(raw), 2**32, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + raw[8:])
        load_error(kind, path)


@KINDS
def test_a_newer_format(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"charrnn": str(FORMAT + 1)})
    assert f"newer charrnn (format {FORMAT + 1})" in load_error(kind, tmp_path / "bad.safetensors")


@settings(max_examples=500)
@given(st.sampled_from(["model", "training"]), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4))
def test_a_file_with_a_few_wrong_bytes_is_read_or_refused(small, kind, where, wrong):
    raw, path = bytearray(small[kind].read_bytes()), small[kind].with_name("wrong.safetensors")
    at = int(where * len(raw))
    raw[at : at + len(wrong)] = wrong
    path.write_bytes(raw)
    check_read_or_refused(kind, path)


# Metadata


@pytest.mark.parametrize("files", SMALL_FILES)
@settings(max_examples=150)
@given(kind=st.sampled_from(["model", "training"]), anything=ANYTHING, data=st.data())
def test_a_file_with_anything_in_its_metadata_is_read_or_refused(files, request, kind, anything, data):
    path = request.getfixturevalue(files)[kind]
    tensors, metadata = parts_of(path)
    save_file(tensors, path.with_name("odd.safetensors"), with_anything(metadata, anything, data))
    check_read_or_refused(kind, path.with_name("odd.safetensors"))


@KINDS
@pytest.mark.parametrize("text", ["", "x", "{", "true", "5", "1.5", '"x"', "[[]]", "[1]", '{"a": 1}', "[" * 100_000])
def test_a_value_of_another_kind_is_refused(kind, text, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    for key in REQUIRED[kind] + (OPTIONAL if kind == "model" else ()):
        save_file(tensors, tmp_path / "bad.safetensors", metadata | {key: text})
        assert repr(key) in load_error(kind, tmp_path / "bad.safetensors")


@KINDS
def test_missing_metadata_are_named(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    for key in REQUIRED[kind]:
        save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in metadata.items() if k != key})
        assert repr(key) in load_error(kind, tmp_path / "bad.safetensors")
    save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in metadata.items() if k != "charrnn"})
    assert "not written for charrnn" in load_error(kind, tmp_path / "bad.safetensors")


@KINDS
@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 0},
        {"vocab_size": -3},
        {"vocab_size": 5},  # the vocabulary has four
        {"vocab_size": 3.0},
        {"vocab_size": True},
        {"vocab_size": "3"},
        {"vocab_size": None},
        {"vocab_size": 2**63},
        {"cell": "transformer"},
        {"cell": ["lstm"]},
        {"cell": "gru"},  # the tensors are those of an LSTM
        {"nonlinearity": "relu"},  # which only an rnn has
        {"nonlinearity": "sigmoid"},
        {"nonlinearity": "RELU"},
        {"nonlinearity": ""},
        {"nonlinearity": None},
        {"nonlinearity": True},
        {"nonlinearity": ["tanh"]},
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
        {"locked": True},  # its name in format 1
        {"form": "poet"},
        {"form": "tagger"},
        {"outputs": 2},
        {"outputs": -1},
        {"colour": "red"},
    ],
)
def test_a_model_out_of_range_or_other_than_its_tensors_is_refused(kind, change, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    metadata["model"] = json.dumps(json.loads(metadata["model"]) | change)
    save_file(tensors, tmp_path / "bad.safetensors", metadata)
    load_error(kind, tmp_path / "bad.safetensors")


@KINDS
@pytest.mark.parametrize("form", ["classifier", "tagger", "translator"])
def test_a_form_that_does_not_fit_the_tensors_is_refused(kind, form, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    metadata["model"] = json.dumps(json.loads(metadata["model"]) | {"form": form, "outputs": 2 * (form not in WRITERS)})
    save_file(tensors, tmp_path / "bad.safetensors", metadata)
    assert "does not fit its configuration" in load_error(kind, tmp_path / "bad.safetensors")


@pytest.mark.parametrize("files", ["small_labels", "small_tags"])
@pytest.mark.parametrize(
    "labels",
    [[], [["a", 1]], [["a", 1], ["a", 2]], [["a", 1], ["b", 1], ["c", 1], ["d", 1]], [["\t", 1], ["b", 2]], None],
)
def test_labels_that_do_not_fit_the_model_are_refused(files, labels, request, tmp_path):
    tensors, metadata = parts_of(request.getfixturevalue(files)["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"labels": json.dumps(labels)})
    assert "labels" in load_error("model", tmp_path / "bad.safetensors")
    del metadata["labels"]
    save_file(tensors, tmp_path / "bad.safetensors", metadata)
    assert "'labels'" in load_error("model", tmp_path / "bad.safetensors")


def test_what_the_tags_belong_to_is_read_or_refused(small_tags, tmp_path):
    tensors, metadata = parts_of(small_tags["model"])
    rows, path = json.loads(metadata["labels"]), tmp_path / "a.safetensors"
    longer = json.dumps([["I-PER", 1], *rows[1:]])
    assert json.loads(metadata.pop("tags_of_words")) is False
    for labels, said, expected in (
        (metadata["labels"], {}, False),
        (metadata["labels"], {"tags_of_words": "false"}, False),
        (metadata["labels"], {"tags_of_words": "true"}, True),
        (longer, {}, True),  # as files were before they said so
        (longer, {"tags_of_words": "true"}, True),
    ):
        save_file(tensors, path, metadata | {"labels": labels} | said)
        assert LOAD["model"](path).model.labels.of_words is expected
    save_file(tensors, path, metadata | {"labels": longer, "tags_of_words": "false"})
    assert "its 'tags_of_words' is invalid" in load_error("model", path)
    for text in ("null", "1", '"true"', "[true]", "{}"):
        save_file(tensors, path, metadata | {"tags_of_words": text})
        assert "its 'tags_of_words' is invalid" in load_error("model", path)


@KINDS
def test_the_form_of_the_text_is_read_or_refused(kind, small, tmp_path):
    def form_of(found):
        return found.model.text_form if kind == "model" else found.text_form

    tensors, metadata = parts_of(small[kind])
    path = tmp_path / "a.safetensors"
    assert "text_form" not in metadata  # that of most texts is not said
    assert form_of(LOAD[kind](small[kind])) == TextForm()
    for fields in ({"encoding": "cp1251"}, {"encoding": "utf-8", "normalization": "nfkc"}, {"normalization": "nfd"}):
        save_file(tensors, path, metadata | {"text_form": json.dumps(fields)})
        assert form_of(LOAD[kind](path)) == TextForm(**fields)
    for value in (
        {"encoding": "zip"},
        {"encoding": 8},
        {"normalization": "NFC"},
        {"normalization": []},
        [],
        1,
        "utf-8",
    ):
        save_file(tensors, path, metadata | {"text_form": json.dumps(value)})
        assert "its 'text_form' is invalid" in load_error(kind, path)
    for wrong in ({"form": "nfc"}, {"encoding": "utf-8", "errors": "strict"}):
        save_file(tensors, path, metadata | {"text_form": json.dumps(wrong)})
        assert "its 'text_form' is invalid" in load_error(kind, path)


def test_a_run_of_before_has_the_encoding_of_its_source(small, tmp_path):
    tensors, metadata = parts_of(small["training"])
    source = {"paths": ["a.txt"], "as_bytes": False, "encoding": "cp1251", "errors": "strict"}
    path = tmp_path / "a.safetensors"
    save_file(tensors, path, metadata | {"source": json.dumps(source)})
    found = training_file.load_state(path)
    assert found.text_form == TextForm("cp1251")
    # it may have been a folder, since it is not there
    assert found.source == Source(("a.txt",), encoding="cp1251", separate_files=False)
    for changed in ({"normalization": "NFC"}, {"normalization": 1}, {"encoding": "zip"}):
        save_file(tensors, path, metadata | {"source": json.dumps(source | changed)})
        assert "its 'source' is invalid" in load_error("training", path)


def test_labels_of_texts_are_not_those_of_words(small_labels, tmp_path):
    tensors, metadata = parts_of(small_labels["model"])
    assert "tags_of_words" not in metadata
    for text in ("true", "false"):
        save_file(tensors, tmp_path / "bad.safetensors", metadata | {"tags_of_words": text})
        assert "its 'tags_of_words' is invalid" in load_error("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize("files", [name for name in SMALL_FILES if name != "small_lines"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_does_not_fit_the_model_is_refused(files, layout, request, tmp_path):
    tensors, metadata = parts_of(request.getfixturevalue(files)["model"])
    if json.loads(metadata["layout"]) != layout:
        save_file(tensors, tmp_path / "bad.safetensors", metadata | {"layout": json.dumps(layout)})
        load_error("model", tmp_path / "bad.safetensors")


@KINDS
def test_why_a_nonlinearity_is_refused_is_said(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    settings, path = json.loads(metadata["model"]), tmp_path / "bad.safetensors"
    for wrong, why in (
        ({"nonlinearity": "relu"}, "in its 'model', nonlinearity relu is only for cell rnn, not lstm"),
        ({"cell": "rnn", "nonlinearity": "softsign"}, "in its 'model', nonlinearity can't be 'softsign'"),
    ):
        save_file(tensors, path, metadata | {"model": json.dumps(settings | wrong)})
        assert why in load_error(kind, path)


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
        " abc",  # four characters, but not a list of them
        "bytes ",
        [],
        None,
        {"a": 0},
        {"a": 0, "b": 1, "c": 2, " ": 3},
        4,
    ],
)
def test_a_vocabulary_that_is_not_the_models_is_refused(kind, vocabulary, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    assert len(json.loads(metadata["vocabulary"])) == 4
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"vocabulary": json.dumps(vocabulary)})
    assert "its 'vocabulary' is invalid" in load_error(kind, tmp_path / "bad.safetensors")


@pytest.mark.parametrize("layout", ["", "line", "tsv", "STREAM", None, 1, True, ["lines"], {"lines": 1}])
def test_an_unknown_layout_is_refused(layout, small, tmp_path):
    tensors, metadata = parts_of(small["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"layout": json.dumps(layout)})
    assert "its 'layout' is invalid" in load_error("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize("text", ["", "null", "1", "[]", "{}", '{"longest": 3}', '{"longest": 3, "digests": "AAAA"}'])
def test_a_line_set_that_is_none_is_refused(text, small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"line_set": text})
    assert "its 'line_set' is invalid" in load_error("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize("without", [(), ("training",)])
@pytest.mark.parametrize("layout", ["stream", None])
def test_a_line_set_of_continuous_text_is_refused(layout, without, small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    changed = metadata | {"layout": json.dumps(layout)}
    dropped = without if layout else ("layout", *without)
    save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in changed.items() if k not in dropped})
    assert "its 'line_set' is invalid" in load_error("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize("layout", ["stream", None])
def test_a_layout_that_is_not_that_of_the_training_is_refused(layout, small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    changed = metadata | {"layout": json.dumps(layout)}
    dropped = {"line_set"} if layout else {"line_set", "layout"}
    save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in changed.items() if k not in dropped})
    assert "its 'layout' is invalid" in load_error("model", tmp_path / "bad.safetensors")


def test_lines_are_not_the_layout_of_a_training_on_continuous_text(small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    training = json.loads(metadata["training"]) | {"layout": "stream"}
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"training": json.dumps(training)})
    assert "its 'layout' is invalid" in load_error("model", tmp_path / "bad.safetensors")


def test_a_model_of_lines_does_without_their_set(small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    for key in ("line_set", "training"):
        del metadata[key]
        save_file(tensors, tmp_path / "a.safetensors", metadata)
        found = LOAD["model"](tmp_path / "a.safetensors").model
        assert (found.layout, found.line_set) == ("lines", None)


def test_a_model_of_lines_without_a_newline_is_refused(small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"vocabulary": '["d", "a", "b", "c"]'})
    assert "'vocabulary'" in load_error("model", tmp_path / "bad.safetensors")


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
        ROW | {"ema": 1},
        ROW | {"bpc": 1},
        1,
        [],
    ],
)
def test_a_history_of_something_else_is_refused(kind, row, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    rows, path = json.loads(metadata["history"]), tmp_path / "bad.safetensors"
    save_file(tensors, path, metadata | {"history": json.dumps([*rows, ROW])})
    assert len(LOAD[kind](path).history) == len(rows) + 1
    save_file(tensors, path, metadata | {"history": json.dumps([*rows, row])})
    assert "'history'" in load_error(kind, path)


# Tensors


@KINDS
def test_tensors_that_are_not_the_models_are_refused(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    path = tmp_path / "bad.safetensors"
    save_file(tensors | {"extra": np.zeros(1, np.float32)}, path, metadata)
    assert "an unexpected tensor 'extra'" in load_error(kind, path)
    for name, tensor in tensors.items():
        save_file({k: t for k, t in tensors.items() if k != name}, path, metadata)
        assert f"lacks tensor {name!r}" in load_error(kind, path)
        wrong_shape, wrong_type, not_a_number = tensor[..., None], tensor.astype(np.int32), tensor.copy()
        not_a_number.flat[-1] = np.nan
        for wrong in (wrong_shape, wrong_type, not_a_number):
            save_file(tensors | {name: wrong}, path, metadata)
            assert f"tensor {name!r}" in load_error(kind, path)


@KINDS
def test_tensors_too_large_for_single_precision_are_refused(kind, small, tmp_path):
    tensors, metadata = parts_of(small[kind])
    for name, tensor in tensors.items():
        huge = tensor.astype(np.float64)
        huge.flat[-1] = -1e39
        save_file(tensors | {name: huge}, tmp_path / "bad.safetensors", metadata)
        assert f"tensor {name!r}" in load_error(kind, tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    "form", [None, 1, "blank", {}, {"kind": "words"}, {"kind": "csv"}, {"kind": "blank", "text": "a"}]
)
def test_a_form_of_records_that_is_none_is_refused(form, small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"record_form": json.dumps(form)})
    if form == {}:  # which is that of lines
        assert LOAD["model"](tmp_path / "bad.safetensors").model.record_form.is_lines
    else:
        assert "its 'record_form' is invalid" in load_error("model", tmp_path / "bad.safetensors")
    tensors, metadata = parts_of(small_lines["training"])
    source = {"source": json.dumps({"paths": ["a"], "as_bytes": False, "record_form": form})}
    save_file(tensors, tmp_path / "bad.safetensors", metadata | source)
    if form == {}:
        assert LOAD["training"](tmp_path / "bad.safetensors").source.record_form.is_lines
    else:
        assert "its 'source' is invalid" in load_error("training", tmp_path / "bad.safetensors")


@pytest.mark.parametrize("table", [None, 1, "csv", [], ["csv", "a"], ["tsv", "a", "b"], ["csv", "a", 1], {"csv": "a"}])
def test_columns_of_a_table_that_are_none_are_refused(table, small_labels, tmp_path):
    tensors, metadata = parts_of(small_labels["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"table": json.dumps(table)})
    assert "its 'table' is invalid" in load_error("model", tmp_path / "bad.safetensors")


def test_only_a_model_of_pairs_has_the_columns_of_a_table(small_labels, small_lines, tmp_path):
    table = {"table": json.dumps(["csv", "a", "b"])}
    tensors, metadata = parts_of(small_labels["model"])
    save_file(tensors, tmp_path / "good.safetensors", metadata | table)
    assert LOAD["model"](tmp_path / "good.safetensors").model.table == TableForm("csv", ("a", "b"))
    tensors, metadata = parts_of(small_lines["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | table)
    assert "its 'table' is invalid" in load_error("model", tmp_path / "bad.safetensors")


def test_records_need_their_end_in_the_vocabulary_and_the_layout_lines(small_lines, small, tmp_path):
    form = {"record_form": json.dumps({"kind": "blank", "text": ""})}
    tensors, metadata = parts_of(small_lines["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | form)
    assert "its 'vocabulary' is invalid" in load_error("model", tmp_path / "bad.safetensors")
    characters = json.dumps(["\x1e", *json.loads(metadata["vocabulary"])[1:]])
    save_file(tensors, tmp_path / "good.safetensors", metadata | form | {"vocabulary": characters})
    model = LOAD["model"](tmp_path / "good.safetensors").model
    assert (model.start, model.end, model.reads_records) == (0, "\x1e", True)
    tensors, metadata = parts_of(small["model"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | form)
    assert "its 'record_form' is invalid" in load_error("model", tmp_path / "bad.safetensors")


@pytest.mark.parametrize("rows", [0, -1, 10**6, "4", True, None, 1.0])
def test_a_number_of_rows_that_no_batch_has_is_refused(rows, small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["training"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {"batch_rows": json.dumps(rows)})
    assert "its 'batch_rows' is invalid" in load_error("training", tmp_path / "bad.safetensors")
