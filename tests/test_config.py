"""The settings: validated where they are made, from values that JSON and the shell have."""

import math
from dataclasses import MISSING, fields
from typing import Any

import pytest

from charrnn.config import FORMS, WRITERS, Config, ModelConfig, SamplingConfig, TrainingConfig, between
from charrnn.errors import ConfigError
from charrnn.training.state import CorpusInfo, Counters, Evaluation

KINDS = [ModelConfig, TrainingConfig, SamplingConfig, CorpusInfo, Evaluation, Counters]
REQUIRED: dict[str, Any] = {"vocab_size": 5, "steps": 1, "name": "a", "size": 1, "digest": ""}
REQUIRED |= {"training_chars": 2, "validation_chars": 0, "step": 1, "epoch": 1, "lr": 0.1}
REQUIRED |= {"train_loss": None, "val_loss": None}


def required(kind: type[Config]) -> dict[str, Any]:
    """Values of the fields without a default."""
    return {f.name: REQUIRED[f.name] for f in fields(kind) if f.default is MISSING}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value", [10**400, -(10**400), math.inf, -math.inf, math.nan, "5", b"5", True, [5], 5j], ids=lambda v: f"{v!r:.9}"
)
def test_a_value_that_is_no_number_or_too_large_is_refused_for_every_number(kind: type[Config], value: Any) -> None:
    given = required(kind)
    kind(**given)
    numeric = [f.name for f in fields(kind) if f.type in (int, float, float | None)]  # type: ignore[arg-type]
    for name in numeric:
        with pytest.raises(ConfigError, match=f"^{name} (must be|can't be)"):
            kind(**given | {name: value})
    assert numeric


@pytest.mark.parametrize("kind", KINDS)
def test_json_with_unknown_or_missing_settings_is_refused(kind: type[Config]) -> None:
    given = required(kind)
    name = "an Evaluation" if kind is Evaluation else f"a {kind.__name__}"
    assert kind.from_dict(given) == kind(**given)
    with pytest.raises(ConfigError, match=f"unknown settings of {name}"):
        kind.from_dict(given | {"colour": "red"})
    with pytest.raises(ConfigError, match=f"unknown settings of {name}"):
        kind.from_dict([1])
    for missing in given:
        with pytest.raises(ConfigError, match=f"{name} lacks settings"):
            kind.from_dict({key: value for key, value in given.items() if key != missing})


@pytest.mark.parametrize("form", ["classifier", "tagger"])
def test_only_the_forms_that_write_text_have_no_outputs_of_their_own(form: str) -> None:
    assert (ModelConfig(5).form, ModelConfig(5).outputs) == ("language_model", 0)
    assert ModelConfig(5, form="translator").outputs == 0
    assert ModelConfig(5, form=form, outputs=1).outputs == 1
    with pytest.raises(ConfigError, match=f"outputs must be at least 1 for a {form}, not 0"):
        ModelConfig(5, form=form)
    with pytest.raises(ConfigError, match="outputs must be 0 for a language model, not 3"):
        ModelConfig(5, outputs=3)
    with pytest.raises(ConfigError, match="outputs must be 0 for a translator, not 3"):
        ModelConfig(5, form="translator", outputs=3)
    for outputs in (-1, 65537):
        with pytest.raises(ConfigError, match="outputs must be from 0 to 65536, not "):
            ModelConfig(5, form=form, outputs=outputs)


def test_a_form_is_one_of_those_that_exist() -> None:
    with pytest.raises(
        ConfigError, match="form can't be 'poet': choose one of language_model, classifier, tagger, translator"
    ):
        ModelConfig(5, form="poet", outputs=1)


def test_forms_that_know_the_whole_text_read_it_in_both_directions() -> None:
    found = {form: ModelConfig(5, form=form, outputs=int(form not in WRITERS)).directions for form in FORMS}
    assert found == {"language_model": 1, "classifier": 2, "tagger": 2, "translator": 2}


def test_a_whole_number_is_taken_for_a_number_with_a_fraction() -> None:
    config = TrainingConfig(1, lr=1, clip=0)
    assert (config.lr, type(config.lr), type(config.clip)) == (1.0, float, float)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"min_count": -1}, "min_count must be at least 0, not -1"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"steps": -5}, "steps must be at least 0, not -5"),
        ({"steps": 2**53 + 1}, "steps must be from 0 to 9007199254740992, not 9007199254740993"),
        ({"batch_size": 0}, "batch_size must be from 1 to 1048576, not 0"),
        ({"clip": -1.0}, "clip must be from 0 to 1e+09, not -1"),
    ],
)
def test_a_bound_that_nobody_reaches_by_chance_is_told_only_to_those_beyond_it(changes: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(**{"steps": 1, **changes})
    assert str(caught.value) == says


@pytest.mark.parametrize(("value", "says"), [(0, "at least 1, not 0"), (math.nan, "at least 1, not nan")])
def test_a_setting_without_an_upper_bound_is_at_least_its_lower_one(value: float, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^count must be {says}$"):
        between("count", value, 1)
