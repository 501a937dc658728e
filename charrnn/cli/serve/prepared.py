"""The models of `charrnn serve` before they answer: their engine and precision are chosen, and kernels compiled."""

from collections.abc import Callable
from dataclasses import replace

from charrnn import engine as engines
from charrnn.cli.terminal.console import notifier
from charrnn.cli.terminal.engine import notify_compilation, sampling
from charrnn.model.model import Model
from charrnn.sampling.generate import generate


def preparation(engine: str, precision: str, quiet: bool) -> Callable[[Model], Model]:
    """Prepares each model that is loaded. Raises errors for an engine that can't be used."""
    kernels, log = sampling(precision).kernels, notifier(quiet)
    chosen = engines.choose(engine, kernels=kernels).engine
    notify_compilation(chosen, kernels, quiet)
    if precision != "float32":
        log(f"weights in {precision}")

    def prepare(model: Model) -> Model:
        model = replace(model, engine=engines.load(chosen))
        if model.config.form != "language_model":
            return model
        model = model.with_precision(precision)
        prime = model.vocabulary.decode([0]) if not model.vocabulary.is_bytes else b"a"
        if model.layout not in ("pairs",):
            "".join(generate(model, prime=prime, length=1))  # so that no request waits for a compiler
        return model

    return prepare
