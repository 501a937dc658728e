"""The budget: which network learns most from a text with so many operations of a machine, and how.

Everything follows from three numbers: the operations W that can be spent, the characters N that there are to learn
from, and the size V of their vocabulary. The constants are fits to what `tests/bench/budget.py` measures.
"""

import math
from typing import Any

from charrnn.config import ModelConfig

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
WIDTH, OPERATIONS, RATE = 288, 2.5e13, 0.012
"""The width of an LSTM that is best for so many operations, and the rate that is best for it."""
MAX_RATE = 0.02
"""The rate of narrow networks: a higher one gains nothing, and may lose all."""
EPOCHS_BEFORE_OVERFITTING, DROPOUT_PER_DOUBLING, MAX_DROPOUT = 4, 0.1, 0.4
"""The epochs in which nothing is learned by heart, and how much more of the outputs and of the recurrent weights has to
be left out for each doubling of them, and at most."""
BATCH_SIZE, SEQ_LENGTH = 32, 64
"""The rows and the characters of a chunk: more of either read faster, but learn less in the end."""
CLIP = 1.0
"""A few times the norm that gradients have after the first steps."""
WARMUP = 100
"""Steps in which the rate rises."""
COOLDOWN = 0.6
"""The share of the time in which the rate falls to zero."""


def operations(config: ModelConfig) -> float:
    """The additions and multiplications of the products that learning from one character takes, there and back."""
    H, G = config.hidden_size, GATES[config.cell]
    return 6.0 * (G * H * H * (2 * config.layers - 1) + H * config.vocab_size)


def choose(W: float, N: int, V: int, given: dict[str, Any], record: float = SEQ_LENGTH) -> dict[str, Any]:
    """The options of a run on N characters of V kinds that may take W operations, around those that are given.

    `record` is the mean length of records, where the text is made of them: of short ones a step reads more at once.

    The width grows with the fourth root of W, so that half of what more operations bring goes into weights, which grow
    with the square of the width, and half into reading more often. How often all of the text is then read says how much
    has to be done against learning it by heart.
    """
    chosen: dict[str, Any] = {"cell": "lstm", "layers": 1} | given
    chosen.setdefault("hidden_size", width(W, chosen["cell"], chosen["layers"]))
    H = chosen["hidden_size"]
    epochs = W / operations(ModelConfig(V, chosen["cell"], H, chosen["layers"])) / N
    if given.get("optimizer", "adam") in ("adam", "adamw"):
        chosen.setdefault("lr", round(min(RATE * math.sqrt(WIDTH / H), MAX_RATE), 5))
    dropped = (
        round(min(max(DROPOUT_PER_DOUBLING * math.log2(epochs / EPOCHS_BEFORE_OVERFITTING), 0.0), MAX_DROPOUT), 2)
        if epochs > EPOCHS_BEFORE_OVERFITTING
        else 0.0
    )
    return {
        "batch_size": max(BATCH_SIZE, min(round(BATCH_SIZE * SEQ_LENGTH / record), 8 * BATCH_SIZE)),
        "seq_length": SEQ_LENGTH,
        "schedule": "linear",
        "clip": CLIP,
        "dropout": dropped,
        "drop_connect": dropped,
    } | chosen


def width(W: float, cell: str, layers: int) -> int:
    """The units of a layer, a multiple of 32, of a network for W operations."""
    blocks = GATES[cell] * (2 * layers - 1) / GATES["lstm"]  # of H × H weights, as against one layer of an LSTM
    units = WIDTH * math.sqrt(math.sqrt(W / OPERATIONS / blocks))
    return 32 * min(max(round(units / 32), 1), 128)
