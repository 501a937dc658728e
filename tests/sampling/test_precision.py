"""Texts that are drawn with narrow weights: from the probabilities of the reference, alone as side by side."""

from itertools import pairwise

import numpy as np
import pytest

from charrnn.config import WEIGHT_PRECISIONS, SamplingConfig
from charrnn.engine import load
from charrnn.layers.softmax import log_softmax
from charrnn.sampling import decoder, filters
from charrnn.sampling.generate import generate, samples
from support.cells import CELLS
from support.random_models import random_model

NARROW = [name for name in WEIGHT_PRECISIONS if name != "float32"]


@pytest.mark.parametrize("precision", NARROW)
@pytest.mark.parametrize("cell", CELLS)
def test_the_probabilities_are_those_of_the_reference(engine, cell: str, precision: str) -> None:
    model, plain = random_model(cell, engine=engine).with_precision(precision), random_model(cell)
    reference = plain.with_precision(precision)
    batch = decoder.start(model, [""] * 3, [3, 4, 5], SamplingConfig())
    effect = 0.0
    for context, ids, logps, state in steps(batch, 30):
        logits, _ = reference.step(context, state)
        wanted = log_softmax(logits.astype(np.float64))[range(3), ids]
        np.testing.assert_allclose(logps, wanted, atol=2e-5)
        # those of the same rounded weights, and of weights as they were
        for other in (reference.forward(context[None], state)[0][0], plain.step(context, state)[0]):
            difference = np.abs(log_softmax(other.astype(np.float64))[range(3), ids] - logps).max()
            assert difference < 0.2
            effect = max(effect, difference)
    assert effect > 1e-3


def steps(batch, n):
    """Draws n characters: the context, the ids, their log-probabilities and the state before, of each."""
    drawn = []
    for _ in range(n):
        context = batch.context
        ids, logps = batch.draw([1.0])
        drawn.append((context, ids[0], logps[0], batch.state.copy()))
    for (_, _, _, before), (context, ids, logps, _) in pairwise(drawn):
        yield context, ids, logps, before


@pytest.mark.parametrize("precision", NARROW)
def test_each_sample_is_the_one_that_its_seed_gives_alone(engine, precision: str) -> None:
    model, config = random_model(engine=engine).with_precision(precision), SamplingConfig(temp=0.8, top_p=0.95)
    for sample in samples(model, count=20, length=40, seed=11, prime="abc", config=config, threads=2):
        alone = "".join(generate(model, length=40, seed=sample.seed, prime="abc", config=config))
        assert sample.text == alone


@pytest.mark.parametrize("precision", NARROW)
def test_a_text_continues_from_its_state(engine, precision: str) -> None:
    model = random_model("gru", engine=engine).with_precision(precision)
    whole = "".join(generate(model, length=80, seed=2))
    batch = decoder.start(model, [""], [2], SamplingConfig())
    batch.draw([1.0] * 30)
    again = decoder.resume(model, "", batch.generation_state(), SamplingConfig())
    ids, _ = again.draw([1.0] * 50)
    assert model.vocabulary.decode(ids[:, 0]) == whole[30:]


def test_the_compiled_decoder_rounds_weights_itself() -> None:
    engine = load("numba")
    model, u = random_model(engine=engine), np.random.default_rng(0).random((40, 2))
    for precision in WEIGHT_PRECISIONS:
        rounded = model.with_precision(precision)
        drawn = [
            engine.Decoder("lstm", params, model.zero_state(2), 1, precision).run(
                np.zeros(2, np.uint8), u, [1.0] * 40, filters.settings(SamplingConfig())
            )
            for params in (model.params, rounded.params)
        ]
        for found, wanted in zip(*drawn, strict=True):
            np.testing.assert_array_equal(found, wanted)
