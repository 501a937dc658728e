"""The optimizers, in the notation of their papers; averaged weights; gradient clipping.

Each optimizer updates one parameter p in place, given its gradient d, its moments and a rate; t counts from 1.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.engine import Engine
from charrnn.types import Array, Params


def sgd(p: Array, d: Array, v: Array, rate: float, t: int, config: TrainingConfig) -> None:
    """v ← μ v + d;  p ← p - rate · v: descent with momentum (Polyak, 1964)."""
    v *= config.momentum
    v += d
    p -= rate * v


def adagrad(p: Array, d: Array, n: Array, rate: float, t: int, config: TrainingConfig, epsilon: float = 1e-8) -> None:
    """n ← n + d²;  p ← p - rate · d / √(n + ε) (Duchi et al., 2011; ε inside the root as in min-char-rnn)."""
    n += d * d
    p -= rate * d / np.sqrt(n + epsilon)


def rmsprop(
    p: Array,
    d: Array,
    n: Array,
    rate: float,
    t: int,
    config: TrainingConfig,
    alpha: float = 0.95,
    epsilon: float = 1e-8,
) -> None:
    """n ← α n + (1 - α) d²;  p ← p - rate · d / (√n + ε) (Tieleman & Hinton, 2012; α as in char-rnn)."""
    n *= alpha
    n += (1 - alpha) * d * d
    p -= rate * d / (np.sqrt(n) + epsilon)


def adam(
    p: Array,
    d: Array,
    m: Array,
    v: Array,
    rate: float,
    t: int,
    config: TrainingConfig,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> None:
    """m ← β₁ m + (1 - β₁) d;  v ← β₂ v + (1 - β₂) d²;  p ← λ p - rate · m̂ / (√v̂ + ε) (Kingma & Ba, 2015).

    m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) correct the bias of the moments towards the zeros that they begin with.
    λ is 1, and with adamw 1 - rate · weight decay (Loshchilov & Hutter, 2019).
    """
    m *= beta1
    m += (1 - beta1) * d
    v *= beta2
    v += (1 - beta2) * d * d
    root = np.sqrt(v)
    root *= 1 / math.sqrt(1 - beta2**t)
    root += epsilon
    np.divide(m, root, out=root)
    root *= rate / (1 - beta1**t)
    if config.decoupled_decay:
        p *= 1 - rate * config.decoupled_decay
    p -= root


class Optimizer(NamedTuple):
    """An update rule and the names of its moments, in the order of its arguments."""

    update: Callable[..., None]
    moments: tuple[str, ...]


OPTIMIZERS = {
    "sgd": Optimizer(sgd, ("v",)),
    "adagrad": Optimizer(adagrad, ("n",)),
    "rmsprop": Optimizer(rmsprop, ("n",)),
    "adam": Optimizer(adam, ("m", "v")),
    "adamw": Optimizer(adam, ("m", "v")),
}


def initial_moments(params: Params, config: TrainingConfig) -> Params:
    """Zeros under the names `moment.parameter`."""
    names = OPTIMIZERS[config.optimizer].moments
    return {f"{moment}.{name}": np.zeros_like(p) for name, p in params.items() for moment in names}


def update(
    params: Params, grads: Params, moments: Params, rate: float, t: int, config: TrainingConfig, engine: Engine
) -> None:
    """Takes step t (from 1) with all parameters and moments, in place."""
    optimizer = OPTIMIZERS[config.optimizer]
    step = engine.adam if optimizer.update is adam and engine.adam else optimizer.update
    for name, p in params.items():
        d = grads[name]
        if decay := config.weight_decay - config.decoupled_decay:
            d = d + decay * p
        step(p, d, *(moments[f"{moment}.{name}"] for moment in optimizer.moments), rate, t, config)


def update_ema(ema: Params, params: Params, t: int, config: TrainingConfig) -> None:
    """a ← α a + (1 - α) p for every average a, in place, after step t (from 1) (B. Polyak, A. Juditsky, 1992).

    α is `config.ema_decay`, but (1 + t) / (10 + t) at first: the initial weights are not worth keeping.
    """
    alpha = min(config.ema_decay, (1 + t) / (10 + t))
    for name, a in ema.items():
        a *= alpha
        a += (1 - alpha) * params[name]


def global_norm(arrays: Iterable[Array]) -> float:
    """The Euclidean norm of all values of all arrays together."""
    return math.sqrt(sum(float(np.vdot(a, a)) for a in arrays))


def clip(grads: Params, norm: float, config: TrainingConfig) -> None:
    """Clips the gradients, whose global norm is given, in place.

    By norm, all are scaled together so that the norm is at most `config.clip` (Pascanu, Mikolov & Bengio, 2013); by
    value, each number is limited to ± `config.clip`, as in min-char-rnn. 0 disables clipping.
    """
    if config.clip and config.clip_by == "value":
        for d in grads.values():
            np.clip(d, -config.clip, config.clip, out=d)
    elif config.clip and norm > config.clip:
        for d in grads.values():
            d *= config.clip / norm
