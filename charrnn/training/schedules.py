"""The schedules of the learning rate."""

import math

from charrnn.config import TrainingConfig


def learning_rate(step: int, epoch: int, config: TrainingConfig) -> float:
    """The learning rate of a step (from 0) in an epoch (from 0).

    - constant
    - step: multiplied by `lr_decay` for every epoch after `lr_decay_after`, as in char-rnn; needs no planned end
    - linear: to zero
    - cosine: half a wave to zero (Loshchilov & Hutter, 2017)

    Over the first `warmup` steps the rate rises in proportion, while the moments are poor estimates. Linear and cosine
    begin to fall `hold` steps later and take `cooldown` steps, or all that remain: a rate that stays constant and then
    falls learns as well as one that falls all the time (A. Hägele et al., 2024), and nothing before the fall depends on
    when training ends.
    """
    start = config.warmup + config.hold
    warm = min(1.0, (step + 1) / (config.warmup + 1))
    done = min(1.0, max(0, step - start) / max(1, config.cooldown or config.steps - start))
    match config.schedule:
        case "step":
            factor = config.lr_decay ** max(0, epoch - config.lr_decay_after)
        case "linear":
            factor = 1 - done
        case "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * done))
        case _:
            factor = 1.0
    return config.lr * warm * factor
