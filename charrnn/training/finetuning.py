"""The fine-tuning: options for weights that have learned already, on a text that may be short.

tests/bench/README.md has the measurements. A rate of 0.005 is near the best on a text like the one before and on one in
another language; the higher ones that suit new weights spoil more than they teach, and so does dropout, for a network
that has learned without. A text of 30 KB is learned in two to twenty epochs, and overfitted soon after: so there are
many evaluations, and the run ends when they bring nothing better.
"""

from charrnn.config import LEARNING_RATES
from charrnn.training.options import TrainOptions

MIN_EVAL_EVERY = 25
"""The fewest steps between evaluations, if their number is not given."""
PATIENCE = 10
"""With a deadline, the evaluations without a better model after which the run ends."""


def with_defaults(options: TrainOptions) -> TrainOptions:
    """The options for a run of a language model with a deadline."""
    defaults: TrainOptions = {"dropout": 0.0, "drop_connect": 0.0}
    rate: TrainOptions = {"lr": LEARNING_RATES[options.get("optimizer", "adam")]}
    return defaults | rate | options
