"""The losses of a training at one of its evaluations, as the model that it made remembers them."""

from typing import NamedTuple


class Losses(NamedTuple):
    """The mean losses at a step, in nats per character, label or tag; None where nothing was measured."""

    step: int
    training: float | None
    validation: float | None
