"""`charrnn train --init-from` as a process: the start is evaluated, new characters are learned, or left out."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import charrnn as api
from charrnn.checkpoint.tensor_file import TensorFile
from support.checkpoints import save_as_bfloat16
from support.processes import SMALL, TEXT, charrnn, error_line, train_model

NEW = (TEXT[:300] + "Щука, рак — «и» лебедь. " * 4) * 5
"""A text with new characters in both parts of it."""
RUN = ("--seed", 1, "--engine", "numpy", "--threads", 1, "--eval-every", 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the test text."""
    return train_model(tmp_path_factory.mktemp("base"), TEXT, steps=30)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a text that has new characters."""
    (tmp_path / "new.txt").write_text(NEW, encoding="utf-8")
    return tmp_path


def tune(here: Path, model: Path, *args: object, text: str = "new.txt", out: str = "m.safetensors") -> str:
    """Runs a fine-tuning, which must succeed; returns its notices."""
    done = charrnn("train", text, "--init-from", model, "--out", out, *RUN, *args, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_new_characters_are_named_learned_and_can_be_used(model: Path, here: Path) -> None:
    notices = tune(here, model, "--steps", 20, "--val-fraction", 0.3)
    n = len(set(NEW) - set(api.load(model).model.vocabulary.characters))
    named = re.search(r"has never seen, and will learn: '«' \(U\+00AB .*\), .* and (\d+) more", notices)
    assert named is not None
    assert int(named[1]) == n - 3
    assert re.search(r"\nstep 0/20, epoch 0, validation loss [\d.]+ ", notices)
    change = re.search(r"improved on the weights it started from: validation loss (\S+) before, (\S+) after", notices)
    assert change is not None
    assert float(change[1]) > float(change[2])
    done = charrnn("sample", "m.safetensors", "--prime", "Щука", "-n", 5, "--seed", 1, cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Щука")
    other = charrnn("sample", model, "--prime", "Щука", "-n", 5, "--seed", 1, cwd=here)
    assert "never seen" in error_line(other, 1)


def test_the_old_model_and_its_start_score_old_text_alike(model: Path, here: Path) -> None:
    assert "kept the weights it started from\n" in tune(here, model, "--steps", 0)
    (here / "old.txt").write_text(TEXT, encoding="utf-8")
    old, new = (
        json.loads(charrnn("score", path, "old.txt", "--json", cwd=here).stdout)["nats_per_char"]
        for path in (model, "m.safetensors")
    )
    larger = api.load(here / "m.safetensors").model
    ids = larger.vocabulary.encode(TEXT[:500])[:, None]
    logits, _ = larger.forward(ids, larger.zero_state(1))
    V = len(api.load(model).model.vocabulary)
    new_share = np.exp(logits[..., V:]).sum(axis=-1) / np.exp(logits).sum(axis=-1)
    assert old <= new <= old - np.log1p(-new_share.max()) + 1e-5
    before, _ = api.load(model).model.forward(ids, api.load(model).model.zero_state(1))
    np.testing.assert_allclose(logits[..., :V], before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("unknown", "done"), [("skip", "left out"), ("nearest", "replaced by the nearest ones")])
def test_new_characters_can_be_left_out_or_replaced(unknown: str, done: str, model: Path, here: Path) -> None:
    notices = tune(here, model, "--steps", 4, "--unknown", unknown)
    known = api.load(model).model.vocabulary
    n = sum(character not in known.characters for character in NEW)
    assert f"characters that the model of --init-from has never seen were {done}: {n:,}\n" in notices
    assert api.load(here / "m.safetensors").model.vocabulary == known


def test_weights_that_training_does_not_improve_are_kept(model: Path, here: Path) -> None:
    rate = ("--optimizer", "sgd", "--momentum", 0, "--lr", 20, "--clip", 1)
    notices = tune(here, model, "--steps", 4, "--json", *rate)
    assert "kept the weights it started from: training did not improve on them; try a lower --lr" in notices
    found = api.load(here / "m.safetensors")
    start = api.load(model).model.params
    assert found.step == 0
    np.testing.assert_array_equal(found.model.params["W_hh0"], start["W_hh0"])
    assert [row.step for row in found.history] == [0, 2, 4]
    assert min(row.rank for row in found.history) == found.history[0].rank


@pytest.mark.parametrize("unknown", ["new", "skip", "nearest"])
def test_a_resumed_run_writes_the_same_bytes(unknown: str, model: Path, here: Path) -> None:
    options = ("--unknown", unknown, "--dropout", 0.2, "--ema-decay", 0.5)
    tune(here, model, "--steps", 7, *options, out="whole.safetensors")
    tune(here, model, "--steps", 3, *options, out="parts.safetensors")
    resumed = charrnn("train", "--resume", "--out", "parts.safetensors", "--steps", 7, cwd=here)
    assert resumed.returncode == 0, resumed.stderr
    for end in ("safetensors", "resume.safetensors"):
        whole, parts = ((here / f"{name}.{end}").read_bytes() for name in ("whole", "parts"))
        assert whole == parts


def test_results_as_data_have_the_loss_of_the_start(model: Path, here: Path) -> None:
    run = ("train", "new.txt", *SMALL, "--steps", 2, "--json", "--force", "--out", "m.safetensors")
    done = charrnn(*run, "--init-from", model, cwd=here)
    results = json.loads(done.stdout)
    assert results["start_val_loss"] == api.load(here / "m.safetensors").history[0].val_loss
    assert "start_val_loss" not in json.loads(charrnn(*run, cwd=here).stdout)


def test_within_a_time_it_stops_when_nothing_improves(model: Path, here: Path) -> None:
    done = charrnn(
        *("train", "new.txt", "--init-from", model, "--time", 600, "--lr", 0, "--seed", 1, "--engine", "numpy"),
        *("--out", "m.safetensors"),
        cwd=here,
    )
    assert done.returncode == 0, done.stderr
    assert "stopped: 10 evaluations without a better model" in done.stderr
    training = api.load(here / "m.safetensors").training
    assert training is not None
    assert training.patience == 10
    assert api.load(here / "m.safetensors").model.config.dropout == 0


def test_a_model_of_bfloat16_is_read_shown_and_started_from(model: Path, here: Path) -> None:
    tensors = load_file(model)
    save_as_bfloat16(tensors, here / "b.safetensors", dict(TensorFile(model).metadata))
    shown = json.loads(charrnn("inspect", "b.safetensors", "--json", cwd=here).stdout)
    assert {row["dtype"] for row in shown["tensors"]} == {"bfloat16"}
    assert ", stored as bfloat16 " in charrnn("inspect", "b.safetensors", cwd=here).stdout
    assert ", stored as float32 " in charrnn("inspect", model, cwd=here).stdout
    found = api.load(here / "b.safetensors").model.params
    exact = (tensors["decoder.weight"].view(np.uint32) & 0xFFFF0000).view(np.float32).T
    np.testing.assert_array_equal(found["W_out"], exact)
    assert charrnn("sample", "b.safetensors", "-n", 20, cwd=here).returncode == 0
    tune(here, here / "b.safetensors", "--steps", 2)
