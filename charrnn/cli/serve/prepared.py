"""The models of `charrnn serve` before they answer: their engine and precision are chosen, and kernels compiled."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from charrnn import engine as engines
from charrnn.cli.terminal.console import notifier
from charrnn.cli.terminal.engine import notify_compilation, sampling
from charrnn.config import WEIGHT_PRECISIONS, SamplingConfig, one_of
from charrnn.model.model import Model
from charrnn.sampling.live_batch import LiveBatch, PrimeReader


def preparation(engine: str, precision: str, quiet: bool) -> Callable[[Model], Model]:
    """Prepares each model that is loaded. Raises errors for an engine that can't be used."""
    one_of("precision", precision, WEIGHT_PRECISIONS)
    kernels, log = sampling(precision).kernels, notifier(quiet)
    chosen = engines.choose(engine, kernels=kernels).engine
    notify_compilation(chosen, kernels, quiet)
    if precision != "float32":
        log(f"weights in {precision}")

    def prepare(model: Model) -> Model:
        model = replace(model, engine=engines.load(chosen))
        model = model.with_precision(precision)  # an error for other models than language models
        if model.config.form != "language_model":
            return model
        batch, reader = LiveBatch(model), PrimeReader(model, np.zeros(2, model.vocabulary.dtype))
        reader.advance(2)
        batch.change((), [reader.begin(0)], [SamplingConfig()])
        batch.draw(1)  # so that no request waits for a compiler, nor one for log-probabilities
        model.forward(np.zeros((2, 1), model.vocabulary.dtype), model.zero_state(1))
        return model

    return prepare
