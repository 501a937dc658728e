"""The budget: the network and the settings that learn most from a text with a given number of operations.

Everything follows from three numbers: the operations W that can be spent, the characters N to learn from, and the size
V of their vocabulary. The constants are fitted to what `tests/bench/budget.py` measures for tinyshakespeare,
Dostoevsky in Russian and the texts that come with charrnn.
"""

import math

import numpy as np

from charrnn import engine as engines
from charrnn.config import FORM_OF_LAYOUT, ModelConfig
from charrnn.training import few_data
from charrnn.training.options import DEFAULTS_OF_LAYOUT, TrainOptions
from charrnn.types import Indices

WIDTH, OPERATIONS, RATE = 330, 1.7e13, 0.0112
"""The best width of an LSTM for this number of operations, and the best learning rate for this width."""
GROWTH = 0.27
"""The exponent with which the width grows with the operations."""
MAX_RATE = 0.02
"""The highest learning rate, for narrow networks: a higher one gains nothing and may diverge."""
EPOCHS_BEFORE_OVERFITTING, DROPOUT_PER_DOUBLING, MAX_DROPOUT = 4, 0.1, 0.4
"""The epochs before a network overfits; the dropout of outputs and recurrent weights to add for each doubling of these
epochs; and the most dropout."""
BATCH_SIZE, SEQ_LENGTH = 32, 64
"""Larger batches or longer sequences read faster, but learn less in the end."""
ROWS_OF_PROCESS = 16
"""The fewest rows of the batch for each of several processes: with fewer it would take them longer to exchange."""
WEIGHT_DECAY = 0.03
"""The weight decay of adamw. With 0.01 it gains less, and with 0.05 or 0.08 nothing."""
CLIP = 1.0
"""The largest norm of the gradient: a few times that after the first steps."""
WARMUP = 100
"""Steps in which the learning rate rises."""
OF_WHOLE_TEXTS: dict[str, TrainOptions] = {
    "labels": DEFAULTS_OF_LAYOUT["labels"] | {"schedule": "linear"},
    "translations": DEFAULTS_OF_LAYOUT["translations"] | {"schedule": "linear", "lr": 0.004},
    "tags": {
        "batch_size": 64,
        "lr": 0.004,
        "schedule": "linear",
        "clip": 1.0,
        "dropout": 0.4,
        "drop_connect": 0.3,
    },
}
"""The options for pairs that are read as a whole: such corpora are small, so that what matters is to not overfit."""
WIDTHS_OF_TRANSLATIONS, EPOCHS_OF_TRANSLATIONS = range(192, 32, -32), 20
"""The widths of a translator: the greatest that reads the pairs so often; otherwise the smallest."""
MAX_WIDTH_OF_WHOLE_TEXTS = {"labels": 128, "tags": 192}
"""The most units in each direction of a network that reads whole texts, by the layout."""
MIN_VOCABULARY = 256
"""A smaller vocabulary costs little."""
MAX_MIN_COUNT, MAX_RARE_SHARE, MIN_SPEEDUP = 10, 0.015, 1.25
"""The highest number of times that a character must occur, the largest share of the text that rare characters may be,
and by what factor a step without them must be faster, for them to be replaced or left out."""
MAX_EXTRA_COST = 1.05
"""Of all numbers of times, the lowest with which a step costs at most so much more than with the best is chosen."""
TYPICAL_SPEED = 1.4e11
"""The operations per second of two cores."""
COOLDOWN = 0.6
"""The share of the training time in which the learning rate falls to zero."""


def operations(config: ModelConfig) -> float:
    """The additions and multiplications in the matrix products, forward and backward, for one character."""
    H, G, D, L = config.hidden_size, gates(config.cell), config.directions, config.layers
    head = 0 if config.form == "classifier" else D * H * (config.outputs or config.vocab_size)
    head += D * H * config.vocab_size * bool(config.lm_weight)
    layers = D * G * H * H * (L + D * (L - 1))
    if config.form == "translator":  # half of the characters are sources, and two products of attention are 2H wide
        decoder = G * H * H * (2 * L - 1) + 2 * H * H + H * config.vocab_size
        return 3.0 * (layers + 4 * H * H + decoder)
    return 6.0 * (layers + head)


def gates(cell: str) -> int:
    """G: the gates of a cell."""
    found: engines.Cell = getattr(engines.load("numpy"), cell)
    return found.GATES


def choose(W: float, N: int, V: int, given: TrainOptions, line: float = SEQ_LENGTH, processes: int = 1) -> TrainOptions:
    """The options for training on N characters, V of them distinct, with W operations; given options are kept.

    `line` is the mean length of the lines in the layout `lines`: a step reads more short lines at once. The batch has
    rows enough for so many `processes`, which share it.

    The width grows a little faster than the fourth root of W: somewhat more than half of the additional operations go
    into weights, whose number grows with the square of the width, and the rest into reading the text more often. The
    number of epochs then decides how much dropout there is against overfitting. A short text is used up before the
    operations are, and short lines limit the width: see `few_data`.
    """
    if (layout := given.get("layout", "stream")) == "translations":
        chosen = {"cell": "lstm"} | OF_WHOLE_TEXTS[layout] | given
        return {"hidden_size": _width_of_translator(W, N, V, chosen)} | chosen
    shape: TrainOptions = {"cell": "lstm", "layers": 1}
    chosen = shape | given
    if layout in FORM_OF_LAYOUT:
        chosen = shape | OF_WHOLE_TEXTS[layout] | given
        widest: TrainOptions = {
            "hidden_size": min(width(W, chosen["cell"], chosen["layers"]), MAX_WIDTH_OF_WHOLE_TEXTS[layout])
        }
        return widest | chosen
    H = chosen.setdefault("hidden_size", _width_of_language_model(W, N, line, chosen))
    epochs = W / operations(ModelConfig(V, chosen["cell"], H, chosen["layers"])) / N
    is_used_up = epochs >= few_data.max_epochs(N, line)
    if "optimizer" not in given and (not is_used_up or "weight_decay" in given):
        chosen |= {"optimizer": "adamw", "weight_decay": given.get("weight_decay", WEIGHT_DECAY)}
    if given.get("optimizer", "adam") in ("adam", "adamw"):
        chosen.setdefault("lr", min(learning_rate(H), few_data.MAX_RATE if is_used_up else MAX_RATE))
    dropped, rows = 0.0, ROWS_OF_PROCESS * processes
    if epochs > EPOCHS_BEFORE_OVERFITTING:
        doublings = math.log2(epochs / EPOCHS_BEFORE_OVERFITTING)
        dropped = round(min(DROPOUT_PER_DOUBLING * doublings, MAX_DROPOUT), 2)
    defaults: TrainOptions = {
        "batch_size": max(BATCH_SIZE, rows, min(round(BATCH_SIZE * SEQ_LENGTH / line), 8 * BATCH_SIZE)),
        "seq_length": SEQ_LENGTH,
        "schedule": "linear",
        "clip": CLIP,
        "dropout": dropped,
        "drop_connect": dropped,
    }
    return defaults | (few_data.settings(N, line) if is_used_up else {}) | chosen


def choose_min_count(counts: Indices, seconds: float, given: TrainOptions, line: float = SEQ_LENGTH) -> int:
    """How often a character must occur, by the counts of all characters [V], in a run of so many seconds.

    0 keeps every character.

    `line` is the mean length of the lines, as in `choose`.

    Each character costs time in every step, however rare it is, but nothing can be learned about one that hardly ever
    occurs. So characters that occur a few times go if they are a negligible share of the text, and the others are then
    learned much faster. The decision does not depend on the speed of the machine.
    """
    cell, layers = given.get("cell", "lstm"), given.get("layers", 1)
    shape: TrainOptions = {"cell": cell, "layers": layers}
    H = given.get("hidden_size") or _width_of_language_model(seconds * TYPICAL_SPEED, int(counts.sum()), line, shape)

    def cost(V: int) -> float:
        return operations(ModelConfig(max(V, 1), cell, H, layers))

    costs = {}
    for min_count in range(2, MAX_MIN_COUNT + 1):
        few = (counts > 0) & (counts < min_count)
        if int(counts[few].sum()) > MAX_RARE_SHARE * int(counts.sum()):
            break
        costs[min_count] = cost(len(counts) - int(np.count_nonzero(few)))
    lowest = min(costs.values(), default=math.inf)
    if cost(len(counts)) < MIN_SPEEDUP * lowest:
        return 0
    return next(min_count for min_count, each in costs.items() if each <= MAX_EXTRA_COST * lowest)


def learning_rate(H: int) -> float:
    """The learning rate of adam for a network with so many units in each layer."""
    return round(min(RATE * math.sqrt(WIDTH / H), MAX_RATE), 5)


def width(W: float, cell: str, layers: int) -> int:
    """The units of each layer, a multiple of 32, of a network for W operations."""
    blocks = gates(cell) * (2 * layers - 1) / gates("lstm")  # H × H weights, relative to one layer of an LSTM
    units = WIDTH * math.pow(W / OPERATIONS / blocks, GROWTH)
    return min(32 * max(round(units / 32), 1), few_data.MAX_WIDTH)


def _width_of_language_model(W: float, N: int, line: float, shape: TrainOptions) -> int:
    """The units of each layer of a language model that learns from N characters."""
    return min(width(W, shape["cell"], shape["layers"]), few_data.max_width(N, line))


def _width_of_translator(W: float, N: int, V: int, chosen: TrainOptions) -> int:
    """The units of each layer of a translator that reads N characters of pairs, V of them distinct."""
    for units in WIDTHS_OF_TRANSLATIONS:
        config = ModelConfig(V, chosen["cell"], units, chosen["layers"], form="translator")
        if EPOCHS_OF_TRANSLATIONS * N * operations(config) <= W:
            break
    return units
