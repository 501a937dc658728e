"""The fine-tuning: the learning rate for weights that have learned already."""

from charrnn.config import LEARNING_RATES
from charrnn.training.options import TrainOptions

RATE_SHARE = 0.4
"""The learning rate of fine-tuning, as a share of the default for new weights: see tests/bench/README.md."""


def with_learning_rate(options: TrainOptions) -> TrainOptions:
    """The options with the learning rate for fine-tuning, if none is given."""
    rate = LEARNING_RATES.get(options.get("optimizer", "adam"), 0.0)
    lr: TrainOptions = {"lr": RATE_SHARE * rate}
    return lr | options
