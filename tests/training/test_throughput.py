"""The throughput: what is measured of a machine is a step as training takes it."""

from collections import Counter
from typing import Any

import pytest

from charrnn import engine as engines
from charrnn.config import ModelConfig, TrainingConfig
from charrnn.model.masks import Masks
from charrnn.training import optimizers, throughput
from charrnn.training.parallel import Shards
from support.trainings import run, start_in

PARTS = (
    (Shards, "loss_and_gradients"),
    (Masks, "of_outputs"),
    (Masks, "drop_weights"),
    (optimizers, "clip"),
    (optimizers, "update"),
)
"""What a step does beside the products."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each of these was called."""
    found: Counter[str] = Counter()

    def counted(name: str, function: Any) -> Any:
        def call(*args: Any, **others: Any) -> Any:
            found[name] += 1
            return function(*args, **others)

        return call

    for owner, name in PARTS:
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    monkeypatch.setattr(throughput, "MEASURE_SECONDS", 0.0)
    return found


def test_a_measured_step_does_all_that_a_step_of_training_does(calls: Counter[str]) -> None:
    trainer = start_in("stream", steps=6, dropout=0.3, drop_connect=0.3, val_fraction=0.0)
    run(trainer)
    of_training = {name: n / 6 for name, n in calls.items()}
    assert {*of_training} == {name for _, name in PARTS}
    calls.clear()
    state = trainer.state
    threads = len(trainer.shards)
    engine = engines.load("numpy")
    speed = throughput.measure_throughput(engine, threads, state.model_config, 2, 5, state.training_config)
    assert speed > 0
    steps = 1 + throughput.MIN_STEPS
    assert {name: n / steps for name, n in calls.items()} == of_training


def test_machines_are_compared_without_it(calls: Counter[str]) -> None:
    model = ModelConfig(5, "rnn", 4, 1, dropout=0.5)
    assert throughput.measure_throughput(engines.load("numpy"), 2, model, 2, 3) > 0
    assert not calls


@pytest.mark.parametrize("form", ["language_model", "translator", "classifier", "tagger"])
def test_networks_of_all_forms_are_measured_with_several_threads(form: Any, calls: Counter[str]) -> None:
    outputs = 3 if form in ("classifier", "tagger") else 0
    model = ModelConfig(5, "gru", 4, 1, form=form, outputs=outputs)
    assert throughput.measure_throughput(engines.load("numpy"), 3, model, 2, 5, TrainingConfig(1)) > 0
    assert calls["update"] >= 1 + throughput.MIN_STEPS
