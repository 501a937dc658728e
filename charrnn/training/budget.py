"""The budget: the network and the settings that learn most from a text with a given number of operations.

Everything follows from three numbers: the operations W that can be spent, the characters N to learn from, and the size
V of their vocabulary. The constants are fitted to what `tests/bench/budget.py` measures.
"""

import math

from charrnn import engine as engines
from charrnn.config import FORM_OF_LAYOUT, ModelConfig
from charrnn.training.options import DEFAULTS_OF_LAYOUT, TrainOptions

WIDTH, OPERATIONS, RATE = 288, 2.5e13, 0.012
"""The best width of an LSTM for this number of operations, and the best learning rate for this width."""
MAX_RATE = 0.02
"""The highest learning rate, for narrow networks: a higher one gains nothing and may diverge."""
EPOCHS_BEFORE_OVERFITTING, DROPOUT_PER_DOUBLING, MAX_DROPOUT = 4, 0.1, 0.4
"""The epochs before a network overfits; the dropout of outputs and recurrent weights to add for each doubling of these
epochs; and the most dropout."""
BATCH_SIZE, SEQ_LENGTH = 32, 64
"""Larger batches or longer sequences read faster, but learn less in the end."""
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
COOLDOWN = 0.6
"""The share of the training time in which the learning rate falls to zero."""


def operations(config: ModelConfig) -> float:
    """The additions and multiplications in the matrix products, forward and backward, for one character."""
    H, G, D, L = config.hidden_size, gates(config.cell), config.directions, config.layers
    head = 0 if config.form == "classifier" else D * H * (config.outputs or config.vocab_size)
    layers = D * G * H * H * (L + D * (L - 1))
    if config.form == "translator":  # half of the characters are sources, and two products of attention are 2H wide
        decoder = G * H * H * (2 * L - 1) + 2 * H * H + H * config.vocab_size
        return 3.0 * (layers + 4 * H * H + decoder)
    return 6.0 * (layers + head)


def gates(cell: str) -> int:
    """G: the gates of a cell."""
    found: engines.Cell = getattr(engines.load("numpy"), cell)
    return found.GATES


def choose(W: float, N: int, V: int, given: TrainOptions, line: float = SEQ_LENGTH) -> TrainOptions:
    """The options for training on N characters, V of them distinct, with W operations; given options are kept.

    `line` is the mean length of the lines in the layout `lines`: a step reads more short lines at once.

    The width grows with the fourth root of W: half of the additional operations go into weights, whose number grows
    with the square of the width, and half into reading the text more often. The number of epochs then decides how much
    dropout there is against overfitting.
    """
    if (layout := given.get("layout", "")) == "translations":
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
    chosen.setdefault("hidden_size", width(W, chosen["cell"], chosen["layers"]))
    H = chosen["hidden_size"]
    epochs = W / operations(ModelConfig(V, chosen["cell"], H, chosen["layers"])) / N
    if given.get("optimizer", "adam") in ("adam", "adamw"):
        chosen.setdefault("lr", learning_rate(H))
    dropped = 0.0
    if epochs > EPOCHS_BEFORE_OVERFITTING:
        doublings = math.log2(epochs / EPOCHS_BEFORE_OVERFITTING)
        dropped = round(min(DROPOUT_PER_DOUBLING * doublings, MAX_DROPOUT), 2)
    defaults: TrainOptions = {
        "batch_size": max(BATCH_SIZE, min(round(BATCH_SIZE * SEQ_LENGTH / line), 8 * BATCH_SIZE)),
        "seq_length": SEQ_LENGTH,
        "schedule": "linear",
        "clip": CLIP,
        "dropout": dropped,
        "drop_connect": dropped,
    }
    return defaults | chosen


def learning_rate(H: int) -> float:
    """The learning rate of adam for a network with so many units in each layer."""
    return round(min(RATE * math.sqrt(WIDTH / H), MAX_RATE), 5)


def width(W: float, cell: str, layers: int) -> int:
    """The units of each layer, a multiple of 32, of a network for W operations."""
    blocks = gates(cell) * (2 * layers - 1) / gates("lstm")  # H × H weights, relative to one layer of an LSTM
    units = WIDTH * math.sqrt(math.sqrt(W / OPERATIONS / blocks))
    return 32 * min(max(round(units / 32), 1), 128)


def _width_of_translator(W: float, N: int, V: int, chosen: TrainOptions) -> int:
    """The units of each layer of a translator that reads N characters of pairs, V of them distinct."""
    for units in WIDTHS_OF_TRANSLATIONS:
        config = ModelConfig(V, chosen["cell"], units, chosen["layers"], form="translator")
        if EPOCHS_OF_TRANSLATIONS * N * operations(config) <= W:
            break
    return units
