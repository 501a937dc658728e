"""The training's file: a state comes back bit for bit, and one that does not fit is refused."""

import json
from dataclasses import replace

import pytest
from safetensors.numpy import save_file

from charrnn.checkpoint.training_file import load_state, save_state
from charrnn.config import OPTIMIZERS
from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import Source
from charrnn.errors import CheckpointError
from charrnn.training.state import InitFrom
from charrnn.training.trainer import Trainer
from support.checkpoints import SMALL_FILES, load_error, parts_of, same_arrays
from support.trainings import VERSE, run_of, start_short


@pytest.mark.parametrize("run", ["trained", "trained_on_bytes"])
def test_a_state_comes_back(run, request, tmp_path):
    saved = request.getfixturevalue(run).state
    save_state(tmp_path / "a.resume.safetensors", saved)
    found = load_state(tmp_path / "a.resume.safetensors")
    names = ("model_config", "training_config", "vocabulary", "corpus", "source", "history", "counters", "run_id")
    for name in names:
        assert getattr(found, name) == getattr(saved, name), name
    for name in ("params", "moments", "best"):
        assert getattr(found, name)
        assert same_arrays(getattr(found, name), getattr(saved, name)), name
    assert found.rnn_state.tobytes() == saved.rnn_state.tobytes()
    assert found.rnn_state.any()
    assert found.rng.bit_generator.state == saved.rng.bit_generator.state
    assert found.counters.step == 40


def test_the_state_of_an_rnn_has_its_nonlinearity_and_an_older_one_tanh(tmp_path):
    path = tmp_path / "a.resume.safetensors"
    save_state(path, run_of(VERSE, steps=2, cell="rnn", nonlinearity="relu").state)
    assert load_state(path).model_config.nonlinearity == "relu"
    tensors, metadata = parts_of(path)
    settings = {k: v for k, v in json.loads(metadata["model"]).items() if k != "nonlinearity"}
    save_file(tensors, path, metadata | {"model": json.dumps(settings)})
    assert load_state(path).model_config.nonlinearity == "tanh"


def test_averaged_weights_come_back(tmp_path):
    saved = run_of(VERSE, steps=3, ema_decay=0.9).state
    save_state(tmp_path / "a.resume.safetensors", saved)
    assert saved.ema
    assert same_arrays(load_state(tmp_path / "a.resume.safetensors").ema, saved.ema)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_state_continues_as_the_training_would_have(optimizer, tmp_path):
    options = {"optimizer": optimizer, "lr": 0.01, "dropout": 0.3, "steps": 12, "eval_every": 5}
    whole, begun = run_of(VERSE, **options), start_short(VERSE, **options)
    steps = iter(begun)
    while begun.state.counters.step < 7:
        next(steps)
    save_state(tmp_path / "a.resume.safetensors", begun.state)
    steps.close()
    again = Trainer(from_text(VERSE), load_state(tmp_path / "a.resume.safetensors"))
    for _ in again:
        pass
    for name in ("params", "moments", "best"):
        assert same_arrays(getattr(again.state, name), getattr(whole.state, name)), name
    assert again.history == whole.history
    assert again.state.counters == whole.state.counters


def test_a_state_before_the_first_step_comes_back(tmp_path):
    saved = start_short(VERSE).state
    save_state(tmp_path / "a.resume.safetensors", saved)
    found = load_state(tmp_path / "a.resume.safetensors")
    assert same_arrays(found.params, saved.params)
    assert (found.best, found.history, found.counters) == ({}, [], saved.counters)


def test_the_same_state_gives_the_same_bytes(trained, tmp_path):
    for name in ("one", "other"):
        save_state(tmp_path / name, trained.state)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("files", SMALL_FILES)
def test_a_state_that_is_read_and_written_again_is_the_same(files, request, tmp_path):
    path = request.getfixturevalue(files)["training"]
    save_state(tmp_path / "again", load_state(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_missing_state_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no training to resume"):
        load_state(tmp_path / "none.resume.safetensors")


def test_a_model_is_not_taken_for_a_training_state(small):
    load_error("training", small["model"])


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("training", {"steps": -1}),
        ("training", {"optimizer": "magic"}),
        ("training", {"optimizer": "sgd"}),  # which has other moments
        ("training", {"batch_size": 5}),  # the state has more rows
        ("training", {"lr": float("nan")}),
        ("training", {"engine": "pickle"}),
        ("training", {"threads": 0}),
        ("training", {"layout": "pairs"}),
        ("training", {"layout": None}),
        ("training", {"layout": "lines"}),  # the corpus has no lines
        ("training", {"ema_decay": 0.9}),  # the file has no averages
        ("corpus", {"training_chars": 1}),
        ("corpus", {"size": -1}),
        ("corpus", {"name": None}),
        ("counters", {"step": -1}),
        ("counters", {"step": 2**60}),
        ("counters", {"batch": 0.5}),
        ("counters", {"step": True}),
        ("counters", {"step": 2}),  # of three, which were an epoch
        ("counters", {"step": 4}),
        ("counters", {"epoch": 0}),
        ("counters", {"epoch": 2}),
        ("counters", {"epoch": -1}),
        ("counters", {"batch": 1}),
        ("counters", {"batch": 3, "epoch": 0}),  # the first of the next epoch
        ("counters", {"batch": -3, "epoch": 2}),
        ("counters", {"order": 16}),
        ("counters", {"order": -1}),
        ("counters", {"best_step": 4}),
        ("counters", {"best_step": -1}),
        ("counters", {"loss_sum": "much"}),
        ("counters", {"loss_sum": -1.0}),
        ("counters", {"loss_sum": float("nan")}),
        ("counters", {"loss_sum": float("inf")}),
        ("counters", {"loss_steps": -1}),
        ("counters", {"rollbacks": -1}),
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
        ("source", {"val_paths": 1}),
        ("source", {"val_paths": [1]}),
        ("training", {"val_spread": 1}),
        ("training", {"min_count": -1}),
        ("corpus", {"val_name": 1}),
        ("corpus", {"val_size": -1}),
    ],
)
def test_a_value_out_of_range_is_refused(key, change, small, tmp_path):
    tensors, metadata = parts_of(small["training"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {key: json.dumps(json.loads(metadata[key]) | change)})
    assert load_error("training", tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("corpus", {"training_lines": 0}),
        ("corpus", {"training_lines": -1}),
        ("corpus", {"training_lines": 5}),
        ("corpus", {"training_lines": "150"}),
        ("corpus", {"validation_lines": -1}),
        ("training", {"layout": "stream"}),  # an epoch of a continuous text has fewer orders
        ("training", {"layout": True}),
        ("training", {"batch_size": 5}),
        ("counters", {"batch": -1}),
        ("counters", {"order": -1}),
    ],
)
def test_a_value_out_of_range_is_refused_in_the_layout_lines(key, change, small_lines, tmp_path):
    tensors, metadata = parts_of(small_lines["training"])
    save_file(tensors, tmp_path / "bad.safetensors", metadata | {key: json.dumps(json.loads(metadata[key]) | change)})
    assert load_error("training", tmp_path / "bad.safetensors")


@pytest.mark.parametrize(("training", "validation"), [(2, 2**53), (2**53, 1), (2, 0), (2, 3), (2**53, 2**53)])
def test_blocks_that_do_not_fit_the_counters_are_refused_in_little_memory(training, validation, small, tmp_path):
    tensors, metadata = parts_of(small["training"])
    changes = {
        "training": {"val_spread": True},
        "corpus": {"training_chars": training, "validation_chars": validation},
        "counters": {"batch": 2**52, "step": 2**53},
    }
    changed = {key: json.dumps(json.loads(metadata[key]) | change) for key, change in changes.items()}
    save_file(tensors, tmp_path / "bad.safetensors", metadata | changed)
    assert load_error("training", tmp_path / "bad.safetensors")


def test_the_source_of_a_text_to_validate_on_comes_back(trained, tmp_path):
    for source in (Source(("a", "-")), Source(("a",), val_paths=("b", "c"))):
        save_state(tmp_path / "a", replace(trained.state, source=source))
        assert load_state(tmp_path / "a").source == source
        assert ("val_paths" in json.loads(parts_of(tmp_path / "a")[1]["source"])) == bool(source.val_paths)


@pytest.mark.parametrize("layout", ["small", "small_lines"])
def test_a_state_larger_than_memory_is_refused_before_it_is_made(layout, request, tmp_path):
    tensors, metadata = parts_of(request.getfixturevalue(layout)["training"])
    changes = {
        "model": {"hidden_size": 65536, "layers": 64},
        "training": {"batch_size": 1 << 20, "seq_length": 1},
        "corpus": {"training_chars": 1 << 50, "training_lines": 1 << 50 if layout == "small_lines" else 0},
        "counters": {"epoch": 0, "batch": 3, "order": 0},
    }
    changed = {key: json.dumps(json.loads(metadata[key]) | change) for key, change in changes.items()}
    save_file(tensors, tmp_path / "bad.safetensors", metadata | changed)
    assert "does not fit its configuration" in load_error("training", tmp_path / "bad.safetensors")


# A run that began from another model


def test_how_a_run_took_over_another_model_comes_back(trained, tmp_path):
    path = tmp_path / "state.safetensors"
    for began in (InitFrom(), InitFrom("skip", 2, 345), InitFrom("nearest"), None):
        save_state(path, replace(trained.state, init_from=began))
        assert load_state(path).init_from == began
        assert ("init_from" in parts_of(path)[1]) == (began is not None)


@pytest.mark.parametrize(
    "value",
    [None, [], "new", 0, {"unknown": "error"}, {"n_new": -1}, {"n_new": 0.5}, {"n_replaced": 2**60}, {"more": 1}],
)
def test_a_damaged_account_of_another_model_is_checkpoint_error(value, trained, tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, replace(trained.state, init_from=InitFrom()))
    tensors, metadata = parts_of(path)
    save_file(tensors, path, metadata | {"init_from": json.dumps(value)})
    assert "init_from" in load_error("training", path)
