"""The few data: the settings for a text that is used up before the time is, and the most units for short lines.

A network that reads a short text again and again learns it by heart. Large dropout puts that off, and a rate that falls
to zero makes the most of the epochs before it. More of them usually gain nothing, so that such a run has an end of its
own, however much time there is; but one that is so regular that its validation loss still falls steeply goes on: see
`descent`. What holds for few data depends on the text, and not on the machine; tests/bench/README.md has the
measurements.
"""

import math

from charrnn.training.options import TrainOptions

SHORT = 64
"""The mean length of lines that are not short: they, and other records, are read as continuous text is. In what follows
`line` is that length, infinite for a continuous text."""
MAX_CHARACTERS, MAX_CHARACTERS_OF_LINES = 150_000, 40_000
"""A continuous text, or short lines, of so many characters or more are not used up: see `budget`."""
WIDTH, CHARACTERS = 128, 10_000
"""The best width of a network for so many characters; it grows with the fourth root of their number."""
MAX_WIDTH = 4096
"""The most units of each layer for any text."""
MIN_WIDTH, MIN_WIDTH_OF_LINES = 128, 64
"""The fewest units, also where there are fewer characters."""
DROPOUT, DROPOUT_OF_LINES = 0.4, 0.5
"""That of outputs and of recurrent weights."""
MAX_RATE = 0.01
"""The highest learning rate."""
EPOCHS, EPOCHS_OF_LINES = 50, 24
"""The epochs that are worth their time: of a continuous text of up to `CHARACTERS`, and of short lines. A longer text
is overfitted later: its epochs grow with the square root of its length."""
LINES, CHARACTERS_OF_LINES = 32, 15_000
"""The short lines of a batch for so many characters; longer texts have steps enough with more."""


def is_few(N: int, line: float) -> bool:
    """Whether N characters are so few that they are used up after some epochs."""
    limit = MAX_CHARACTERS if line >= SHORT else MAX_CHARACTERS_OF_LINES
    return limit > N


def max_epochs(N: int, line: float) -> float:
    """The epochs of N characters that are worth their time; infinite for a long text."""
    if not is_few(N, line):
        return math.inf
    return round(EPOCHS * max(1.0, math.sqrt(N / CHARACTERS))) if line >= SHORT else EPOCHS_OF_LINES


def max_steps(N: int, line: float, steps_per_epoch: int) -> float:
    """The steps on N characters that are worth their time; infinite for a long text."""
    return max_epochs(N, line) * steps_per_epoch


def max_width(N: int, line: float) -> int:
    """The most units of each layer, a multiple of 32, of a network for N characters.

    Only a continuous text that is not used up has no limit of its own. A network that is wider for more time learns
    more of such a text, but no more from short lines: it overfits 75,000 characters of them.
    """
    if line >= SHORT and not is_few(N, line):
        return MAX_WIDTH
    fewest = MIN_WIDTH if line >= SHORT else MIN_WIDTH_OF_LINES
    return max(fewest, 32 * int(WIDTH * math.sqrt(math.sqrt(N / CHARACTERS)) / 32))


def settings(N: int, line: float) -> TrainOptions:
    """The options for N characters that are used up."""
    if line >= SHORT:
        return {"dropout": DROPOUT, "drop_connect": DROPOUT}
    rows = round(LINES * max(1.0, N / CHARACTERS_OF_LINES))
    return {"dropout": DROPOUT_OF_LINES, "drop_connect": DROPOUT_OF_LINES, "batch_size": rows}
