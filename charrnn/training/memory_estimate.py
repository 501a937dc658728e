"""The footprint: how much memory a training takes, and whether this machine has it."""

import math
from pathlib import Path

import psutil

from charrnn.config import ModelConfig, TrainingConfig
from charrnn.engine import load
from charrnn.errors import ConfigError
from charrnn.model import network
from charrnn.training.optimizers import OPTIMIZERS

FLOAT_BYTES = 4
"""Bytes."""
BASE_BYTES = 200 << 20
"""Bytes of the interpreter, its libraries and what is compiled."""


def estimate(model: ModelConfig, config: TrainingConfig, corpus: int) -> int:
    """The bytes that a training on a corpus of so many takes at its most, about; that is while it is saved.

    Of the weights there are many copies: the moments, the best ones, those of the last sound state, gradients and
    packed ones for each thread, the file in the making. Of a chunk there are the inputs of the gates, the gates and
    their gradients for every layer, and the logits.
    """
    V, H, L = model.vocab_size, model.hidden_size, model.layers
    cell = network.cell_of(model, load("numpy"))
    GH, moments = cell.GATES * H, len(OPTIMIZERS[config.optimizer].moments)
    weights = sum(map(math.prod, network.param_shapes(model, cell).values()))
    copies = 10 + 2 * moments + 4 * config.threads + 3 * bool(config.average)
    steps = config.batch_size * config.seq_length
    activations = steps * (L * (3 * GH + 7 * H) + 2 * V)
    masks = steps * L * H * bool(model.dropout) + 2 * L * H * GH * bool(model.drop_connect)
    return int(FLOAT_BYTES * (weights * copies + activations + masks) + 2 * corpus + BASE_BYTES)


def available() -> int:
    """The bytes that this process may still take: what the machine has to give, or its container's limit leaves."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (int(Path("/sys/fs/cgroup", f"memory.{name}").read_text()) for name in ("max", "current"))
        parts = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
        used -= int(parts.get("inactive_file", 0))  # what is kept of files only as long as nobody wants the room
    except (OSError, ValueError):  # no such file, or no limit: "max"
        return free
    return min(free, limit - used)


def check(model: ModelConfig, config: TrainingConfig, corpus: int, begun: bool = False) -> None:
    """Raises `ConfigError` where a training, which may have begun elsewhere, would take more memory than there is."""
    wanted, there = estimate(model, config, corpus), available()
    if wanted > there:
        raise ConfigError(
            f"this training would take about {wanted / 2**30:.1f} GB of memory, and {there / 2**30:.1f} GB are free: "
            + (
                "fewer --threads take less, or a larger machine has more"
                if begun
                else "a smaller --hidden-size, fewer --layers, a smaller --batch-size or --seq-length would do"
            )
        )
