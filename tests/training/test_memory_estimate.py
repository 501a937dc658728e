"""The memory estimate: a training that does not fit is refused before it takes any memory."""

from dataclasses import replace

import pytest

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.dataset.corpus import from_text
from charrnn.errors import ConfigError
from charrnn.training import memory_estimate
from charrnn.training.start import resume
from support.processes import TEXT
from support.trainings import run, start_in


def test_a_network_that_does_not_fit_is_refused_before_it_is_made() -> None:
    needs = r"would take about [\d.]+ GB of memory, and [\d.]+ GB are free: use a smaller `hidden_size`"
    with pytest.raises(ConfigError, match=needs):
        start_in("stream", hidden_size=65_000, layers=64, steps=1)


def test_a_training_that_does_not_fit_on_this_machine_is_not_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = run(start_in("stream", steps=1))
    monkeypatch.setattr(memory_estimate, "available", lambda: 1 << 20)
    with pytest.raises(ConfigError, match=r"about [\d.]+ GB of memory, and 0\.0 GB are free: use fewer `threads`"):
        resume(from_text(TEXT), trainer.state, steps=2)


@pytest.mark.parametrize("change", [{"hidden_size": 2}, {"layers": 2}, {"batch_size": 2}, {"seq_length": 2}])
def test_more_of_anything_takes_more_memory(change: dict[str, int]) -> None:
    model, config = ModelConfig(65, "lstm", 100, 1), TrainingConfig(1, 32, 64)
    (name, factor), *_ = change.items()
    more = [replace(c, **{name: getattr(c, name) * factor}) if hasattr(c, name) else c for c in (model, config)]
    assert (
        memory_estimate.estimate(*more, 10**6)
        > memory_estimate.estimate(model, config, 10**6)
        > memory_estimate.BASE_BYTES
    )
