"""Whether an optimizer descends: at one of many rates, so that none fails because it needs another one than we have.

What is right lowers the loss at some rate; what has a wrong sign raises it at every rate.
"""

import numpy as np

import charrnn
from charrnn.config import TrainingConfig
from charrnn.engine import Engine
from charrnn.training import optimizers
from support.processes import TEXT
from support.trainings import run, start_in

RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
QUADRATIC_STEPS = 300
MAX_REMAINDER = 0.05
"""The most of the loss of a quadratic function that may remain."""
TRAINING_STEPS = 60
MIN_FALL = 0.3
"""The least that the loss of a text falls in that many steps, in nats per character."""


def remainder(optimizer: str, engine: Engine) -> float:
    """The part of ½ Σ a (p - p*)² that remains at the best of the rates; a is positive, and p* is not 0."""
    rng = np.random.default_rng(0)
    best = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    start = {name: p + rng.choice((-1.5, 1.5), p.shape) for name, p in best.items()}
    a = {name: rng.uniform(0.3, 3, p.shape) for name, p in best.items()}

    def loss(params: dict[str, np.ndarray]) -> float:
        return sum(float((a[name] * (p - best[name]) ** 2).sum()) / 2 for name, p in params.items())

    config = TrainingConfig(steps=QUADRATIC_STEPS, optimizer=optimizer)
    losses = []
    for rate in RATES:
        params = {name: p.copy() for name, p in start.items()}
        moments = optimizers.initial_moments(params, config)
        with np.errstate(all="ignore"):  # too high a rate diverges
            for t in range(1, QUADRATIC_STEPS + 1):
                grads = {name: a[name] * (p - best[name]) for name, p in params.items()}
                optimizers.update(params, grads, moments, rate, t, config, engine)
            losses.append(loss(params))
    return float(np.nanmin([np.inf, *losses])) / loss(start)


def assert_minimizes(optimizer: str, engine: Engine) -> None:
    """Fails unless it comes near the minimum of a quadratic function at some rate."""
    assert remainder(optimizer, engine) < MAX_REMAINDER, f"{optimizer} reaches no minimum at any rate: is a sign wrong?"


def fall(optimizer: str, **options: float) -> float:
    """How far a training lowers the loss of its text."""
    trainer = start_in("stream", TEXT, optimizer=optimizer, steps=TRAINING_STEPS, weight_decay=1e-4, **options)
    before = charrnn.score(trainer.latest, TEXT).nats_per_char
    return before - charrnn.score(run(trainer).latest, TEXT).nats_per_char


def assert_learns(optimizer: str) -> None:
    """Fails unless a network learns with it: a little at its default rate, and well at some rate."""
    at_default = fall(optimizer)
    assert at_default > 0, f"{optimizer} raises the loss at its default rate: is a sign wrong, or the rate too high?"
    learns = at_default > MIN_FALL or any(fall(optimizer, lr=rate) > MIN_FALL for rate in (1e-1, 1e-2, 1e-3))
    assert learns, f"{optimizer} does not learn at any rate"
