"""The fine-tuning: options for weights that have learned already, on a text that may be short.

tests/bench/README.md has the measurements. On a text like the one before a rate of 0.0025 is best, on one in another
language 0.01; on either, 0.005 (with --steps) and 0.01 (with --time, whose rate falls) lose little. The dropout that
keeps a new network from overfitting destroys what one without dropout has learned. A text of 30 KB is learned in two to
twenty epochs, and overfitted soon after: so there are many evaluations, and a run with --time ends when they bring
nothing better. Where nothing is held out there are none, and it ends after a few epochs instead.
"""

from charrnn.training import budget
from charrnn.training.options import TrainOptions

MAX_RATE = 0.01
"""The highest learning rate with a deadline."""
MIN_EVAL_EVERY = 25
"""The fewest steps between evaluations, if their number is not given."""
PATIENCE = 10
"""With a deadline, the evaluations without a better model after which the run ends."""
MAX_EPOCHS = 6
"""With a deadline, the epochs after which a run ends that holds nothing out: a base on 7,000 place names writes other
names best after 12 epochs of 40 given names, 8 of 150, 4 of 1,000, 6 of 150 surnames, and 1 of 150 more place names."""


def with_defaults(options: TrainOptions) -> TrainOptions:
    """The options for a run of a language model with a deadline; they have its width."""
    defaults: TrainOptions = {"dropout": 0.0, "drop_connect": 0.0}
    if options.get("optimizer", "adam") in ("adam", "adamw"):
        defaults["lr"] = min(budget.learning_rate(options["hidden_size"]), MAX_RATE)
    return defaults | options
