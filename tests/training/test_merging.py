"""The merging of members: a calibrated model that is better than each of them."""

import numpy as np
import pytest

import charrnn
from charrnn.errors import ConfigError
from charrnn.model.merge import merge
from charrnn.training import evaluation
from charrnn.training.merging import TEMPERATURES, merge_members
from support.processes import OPENING

OPTIONS = {
    "hidden_size": 24,
    "layers": 1,
    "batch_size": 8,
    "seq_length": 16,
    "engine": "numpy",
    "threads": 1,
    "lr": 0.02,
}


def trained(text=OPENING * 4, **options):
    """A trained run."""
    trainer = charrnn.train(text, **OPTIONS, **options)
    for _ in trainer:
        pass
    return trainer


@pytest.fixture(scope="module")
def trainers():
    """Two runs with different seeds that have overfitted a text, of which two thirds are noise."""
    rng = np.random.default_rng(1)
    text = "".join(rng.choice(list("abc \n"), size=3000))
    return [trained(text, seed=seed, steps=120, eval_every=120, val_fraction=0.3) for seed in (1, 2)]


def test_the_loss_is_that_of_the_calibrated_model_and_lower_than_each_members(trainers):
    models, data = [trainer.best for trainer in trainers], trainers[0].validation_data
    model, loss, temperature = merge_members(models, data, 1e5)
    assert loss == pytest.approx(evaluation.mean_loss(model, data), rel=1e-5)
    assert loss < min(evaluation.mean_loss(each, data) for each in models)
    assert loss < evaluation.mean_loss(merge(models), data)
    assert temperature in TEMPERATURES[TEMPERATURES > 1]  # they are surer than they are right
    assert model.line_scores is not None


def test_n_grams_are_weighted_for_the_merged_model():
    runs = [trained(seed=seed, steps=20, ngrams=3) for seed in (1, 2)]
    model, loss, _ = merge_members([run.best for run in runs], runs[0].validation_data, 1e5)
    assert model.ngrams is not None
    assert model.ngrams.loss < loss


def test_without_validation_data_nothing_is_measured():
    runs = [trained(seed=seed, steps=2, val_fraction=0) for seed in (1, 2)]
    assert merge_members([run.best for run in runs], runs[0].validation_data, 1e5)[1:] == (None, 1.0)


def test_a_classifier_can_not_be_merged():
    lines = "".join(f"{word}\t{label}\n" for word, label in (("aa", "x"), ("ab", "y")) * 40)
    run = trained(lines, layout="labels", steps=1, seed=1)
    with pytest.raises(ConfigError, match="classifier"):
        merge_members([run.best, run.best], run.validation_data, 1e5)
