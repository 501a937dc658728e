"""The training state: a copy stays as it is, and the identity of a run follows from all that it begins with."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.dataset.corpus import from_text
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.training.state import CorpusInfo, Counters, run_id
from support.trainings import TEXTS, run, start_in


def test_a_copy_stays_as_it_is_while_the_training_continues_and_can_be_restored() -> None:
    trainer = start_in("stream", steps=12, eval_every=5, dropout=0.3, ema_decay=0.9)
    kept = None
    for progress in trainer:
        if progress.step == 7 and progress.chars:
            kept = trainer.state.copy()
            wanted = {name: p.copy() for name, p in trainer.state.params.items()}
            drawn = np.random.default_rng(0)
            drawn.bit_generator.state = trainer.state.rng.bit_generator.state
    assert kept is not None
    state = trainer.state
    assert (kept.counters.step, len(kept.history)) == (7, 1)
    assert (state.counters.step, len(state.history)) == (12, 2)
    for name, p in wanted.items():
        np.testing.assert_array_equal(kept.params[name], p)
        assert (state.params[name] != p).any()
    assert kept.rng.random() == drawn.random()
    state.restore(kept)
    assert (state.counters.step, len(state.history)) == (7, 1)
    assert state.params["W_out"] is not kept.params["W_out"]
    np.testing.assert_array_equal(state.params["W_out"], kept.params["W_out"])


@pytest.mark.parametrize(
    "option", [{"steps": 99}, {"schedule": "linear", "hold": 3, "cooldown": 2, "steps": 9}], ids=str
)
def test_the_same_run_of_another_length_has_the_same_identity(option: dict[str, Any]) -> None:
    same = {name: value for name, value in option.items() if name == "schedule"}
    one, other = (start_in("stream", **{"steps": 5} | options).state for options in (same, option))
    assert one.run_id == other.run_id
    assert len(one.run_id) == 64


@pytest.mark.parametrize(
    "option",
    [
        {"seed": 2},
        {"hidden_size": 17},
        {"lr": 0.001},
        {"dropout": 0.1},
        {"layout": "lines"},
        {"val_fraction": 0.2},
        {"val_spread": True},
        {"min_count": 1},
    ],
    ids=str,
)
def test_another_run_has_another_identity(option: dict[str, Any]) -> None:
    one, other = (start_in("stream", steps=5, **options).state for options in ({}, option))
    assert one.run_id != other.run_id


def test_another_text_to_validate_on_gives_another_identity() -> None:
    text = TEXTS["stream"]
    ids = [start_in("stream", from_text(text, val_text=other), steps=5).state.run_id for other in (text, text + "a")]
    assert len({*ids, start_in("stream", steps=5).state.run_id}) == 3


def test_another_text_or_other_weights_give_another_identity() -> None:
    one = start_in("stream", steps=5)
    other = start_in("stream", "another text, of the same kind. " * 9, steps=5)
    model = run(start_in("stream", steps=1)).latest
    weights = start_in("stream", steps=5, init_from=model)
    assert len({trainer.state.run_id for trainer in (one, other, weights)}) == 3


def test_runs_of_other_forms_and_labels_have_other_identities() -> None:
    rest = TrainingConfig(9), Vocabulary("\nabc"), CorpusInfo("a.txt", 9, "", 8, 1), {"b": np.arange(3, dtype="<f4")}
    forms = [("language_model", 0), ("classifier", 2), ("classifier", 3), ("tagger", 2)]
    assert len({run_id(ModelConfig(4, form=form, outputs=n), *rest) for form, n in forms}) == 4


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"batch": 4, "step": 14}, True),
        ({"batch": 5, "step": 15}, False),
        ({"step": 13}, False),
        ({"order": 6}, True),
        ({"order": 7}, False),
    ],
    ids=str,
)
def test_counters_are_valid_for_epochs_that_can_lead_to_them(change: dict[str, int], valid: bool) -> None:
    counters = replace(Counters(step=12, epoch=2, batch=2, order=3), **change)
    assert counters.is_valid_for(steps_per_epoch=5, n_orders=7) == valid
