"""A training in bfloat16: what is rounded, what is not, and that a break changes nothing."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.cli.train.run_summary import RunSummary
from charrnn.config import TrainingConfig
from charrnn.errors import ConfigError, EngineError
from charrnn.training import options as train_options
from charrnn.training.evaluation import mean_loss
from support.cells import CELLS, cell_options
from support.trainings import TEXTS, VERSE, flat, resumed, run, run_of, saved_bytes, start_in, start_short


@pytest.mark.parametrize("layout", TEXTS)
def test_a_training_in_any_layout_is_nearly_that_in_float32(layout: str) -> None:
    exact, rounded = (run(start_in(layout, steps=6, precision=name)) for name in ("float32", "bfloat16"))
    difference = np.abs(flat(exact.state.params) - flat(rounded.state.params)).max()
    assert 0 < difference < 0.05
    assert {p.dtype for p in rounded.state.params.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("cell", CELLS)
def test_it_learns_as_well(cell: str) -> None:
    losses = [
        [each.val_loss for each in run_of(VERSE, precision=name, **cell_options(cell)).state.history]
        for name in ("float32", "bfloat16")
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=0.02)
    assert losses[1] != losses[0]
    assert losses[1][-1] < losses[1][0] - 0.2


def test_evaluations_are_in_float32_as_the_model_is() -> None:
    trainer = run_of(VERSE, precision="bfloat16")
    assert trainer.latest.engine is engines.load("numpy")
    assert trainer.state.history[-1].val_loss == mean_loss(trainer.latest, trainer.validation_data)


def test_the_same_seed_gives_the_same_files_with_and_without_a_break(tmp_path: Path) -> None:
    whole = run_of(VERSE, precision="bfloat16")
    assert saved_bytes(run_of(VERSE, precision="bfloat16"), tmp_path) == saved_bytes(whole, tmp_path)
    part = run_of(VERSE, precision="bfloat16", steps=15, schedule="constant")
    again = run(resumed(part, VERSE, tmp_path, steps=40))
    assert again.state.training_config.precision == "bfloat16"
    whole = run_of(VERSE, precision="bfloat16", schedule="constant")
    assert saved_bytes(again, tmp_path) == saved_bytes(whole, tmp_path)
    other = run(resumed(part, VERSE, tmp_path, steps=40, precision="float32"))
    assert other.state.training_config.precision == "float32"
    assert not np.array_equal(flat(other.state.params), flat(whole.state.params))
    assert resumed(part, VERSE, tmp_path, time=1.0).state.training_config.precision == "bfloat16"
    exact = run_of(VERSE, steps=3)
    assert resumed(exact, VERSE, tmp_path, time=1.0).state.training_config.precision == "float32"


def test_the_file_names_the_precision_only_if_it_is_not_float32(tmp_path: Path) -> None:
    assert "precision" not in TrainingConfig(1).to_dict()
    assert TrainingConfig.from_dict(TrainingConfig(1, precision="bfloat16").to_dict()).precision == "bfloat16"
    files = saved_bytes(run_of(VERSE, steps=3), tmp_path)
    assert not any(b"precision" in file for file in files)
    assert files == saved_bytes(run_of(VERSE, steps=3, precision="float32"), tmp_path)
    rounded = saved_bytes(run_of(VERSE, steps=3, precision="bfloat16"), tmp_path)
    assert all(b"precision" in file and b"bfloat16" in file for file in rounded)


def test_the_command_that_repeats_a_run_has_its_precision() -> None:
    for name, wanted in (("float32", False), ("bfloat16", True)):
        words = RunSummary(start_short(VERSE, precision=name))._settings()
        assert ("--precision" in words) == wanted
        assert not wanted or words[words.index("--precision") + 1] == "bfloat16"


def test_bfloat16_asks_for_numba_and_auto_for_what_the_engine_has() -> None:
    assert train_options.requested_engine({}) == "auto"
    assert train_options.requested_engine({"precision": "auto"}) == "auto"
    assert train_options.requested_engine({"precision": "bfloat16"}) == "numba"
    assert train_options.requested_engine({"precision": "bfloat16", "engine": "numpy"}) == "numpy"
    assert start_short(VERSE, precision="auto").state.training_config.precision == "float32"
    try:
        has = engines.resolve_precision("auto", engines.resolve("numba"))
    except EngineError as error:
        pytest.skip(str(error))
    assert start_short(VERSE, precision="auto", engine="numba").state.training_config.precision == has


def test_unknown_precisions_are_an_error() -> None:
    with pytest.raises(ConfigError, match="choose one of auto, float32, bfloat16"):
        start_short(VERSE, precision="float64")
    with pytest.raises(ConfigError, match="precision can't be 'auto': choose one of float32, bfloat16"):
        TrainingConfig.from_dict({**asdict(TrainingConfig(1)), "precision": "auto"})
