"""The memory estimate: how much memory training takes, and whether this machine has it."""

import math

from charrnn import engine as engines
from charrnn.config import ModelConfig, TrainingConfig
from charrnn.errors import ConfigError
from charrnn.model.forms import network_for
from charrnn.resources.memory import available
from charrnn.training.ngram_counts import MAX_CHARS
from charrnn.training.optimizers import OPTIMIZERS

FLOAT_BYTES = 4
CELLS_OF_A_LAYER = {"language_model": 1, "classifier": 2, "tagger": 2, "translator": 3}
"""The cells in each layer of a form of network: one for each direction, and that of a decoder."""
NGRAM_BYTES = 90
"""The most bytes for a character in which n-grams are counted, which is over before training begins."""
BASE_BYTES = 200 << 20
"""The interpreter, its libraries and compiled code."""


def estimate(model: ModelConfig, config: TrainingConfig, corpus: int) -> int:
    """The approximate peak memory in bytes, which is reached during a save; `corpus` is the size of the ids in bytes.

    There are many copies of the weights: the moments, the best weights, those of the last good state, gradients and
    packed weights for each thread, the file to be written. For a batch there are the inputs of the gates, the gates and
    their gradients in every layer, and the logits. A translator reads sources and targets side by side, and has the
    weights of its attention for each pair of their characters.
    """
    V, H, L = model.vocab_size, model.hidden_size, model.layers
    network = network_for(model, engines.load("numpy"))
    GH, moments = network.cell.GATES * H, len(OPTIMIZERS[config.optimizer].moments)
    weights = sum(map(math.prod, network.param_shapes.values()))
    copies = 10 + 2 * moments + 4 * config.threads + 3 * bool(config.ema_decay)
    copies += bool(config.sync_every) * (4 + 3 * bool(config.outer_momentum))
    steps = config.batch_size * config.seq_length
    cells, width = CELLS_OF_A_LAYER[model.form], model.directions * H
    activations = steps * (
        cells * L * (3 * GH + 7 * H) + 2 * (model.outputs or V) + 2 * (2 * V + 3 * H) * bool(model.lm_weight)
    )
    if model.form == "translator":
        activations += steps * (2 * config.seq_length + 10 * H)
        width *= 2
    counting = NGRAM_BYTES * min(corpus, MAX_CHARS) * bool(config.ngrams)
    masks = steps * L * width * bool(model.dropout) + 2 * cells * L * H * GH * bool(model.drop_connect)
    return int(max(FLOAT_BYTES * (weights * copies + activations + masks), counting) + 2 * corpus + BASE_BYTES)


def check(model: ModelConfig, config: TrainingConfig, corpus: int, resumed: bool = False) -> None:
    """Raises `ConfigError` if training would take more memory than is free."""
    needed, free = estimate(model, config, corpus), available()
    if needed > free:
        raise ConfigError(
            f"training would take about {needed / 2**30:.1f} GB of memory, and {free / 2**30:.1f} GB are free: "
            + (
                "use fewer `threads` or a larger machine"
                if resumed
                else "use a smaller `hidden_size`, fewer `layers`, or a smaller `batch_size` or `seq_length`"
            )
        )
