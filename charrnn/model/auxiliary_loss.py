"""The auxiliary loss of a network that reads whole texts: how well its first layer predicts the characters to come.

    y_t = h_t W_next + b_next                        logits of the character that the cell reads next
    L   = λ Σ_rows weight Σ_t -log softmax(y_t)[x_t+1]     for each of the two cells

Labels and tags are few, characters are many: to predict them, the cells have to learn how words are spelled, which
helps with the labels too, and is harder to know by heart (M. Rei, "Semi-supervised Multitask Learning for Sequence
Labeling", 2017). Only the first layer can do it: higher layers have read what is to be predicted. It is for training
only; what the network answers does not depend on these parameters.
"""

import numpy as np

from charrnn.config import ModelConfig
from charrnn.engine import Engine
from charrnn.layers.workspace import Workspace
from charrnn.model import head
from charrnn.model.encoder import DIRECTIONS, BothCells, Encoding, Pass
from charrnn.types import Array, Params, Shapes

NAMES = ("W_next", "b_next")


def param_shapes(config: ModelConfig) -> Shapes:
    """Of each direction W_next and b_next; none if the auxiliary loss has no weight."""
    V, shapes = config.vocab_size, Shapes()
    for direction in DIRECTIONS if config.lm_weight else ():
        shapes |= {f"W_next{direction}": (config.hidden_size, V), f"b_next{direction}": (V,)}
    return shapes


def gradients(
    engine: Engine, params: Params, encoding: Encoding, weights: Array, workspace: Workspace
) -> tuple[BothCells, Params]:
    """The gradients of the loss for the outputs [T, B, H] of the first layer's cells, and for its parameters.

    `weights` [B] says how much a character of each row counts, λ included.
    """
    grads = Params()

    def of_outputs(direction: str, done: Pass) -> Array:
        """The gradient for the outputs of one cell; those of its parameters go to `grads`."""
        W, b = (params[f"{name}{direction}"] for name in NAMES)
        scope = workspace.scope(f"next{direction}")
        # both cells' steps begin with the text: what comes next to its last character is padding
        has_next = np.arange(len(done.outputs))[:, None] < encoding.lengths - 1
        h, targets = head.select(done.outputs, np.roll(done.source, -1, axis=0), has_next, scope)
        y = engine.linear.forward(h, W, b, scope)
        _, dy = engine.softmax.cross_entropy(y, targets)
        # L = Σ weight -log softmax(y)[next character]
        dy *= np.broadcast_to(weights, has_next.shape)[has_next][:, None]
        # y = h W_next + b_next
        dh, *of_params = engine.linear.backward(dy, h, W, scope)
        grads.update((f"{name}{direction}", d) for name, d in zip(NAMES, of_params, strict=True))
        # h = outputs[has_next]
        return head.unselect(dh, done.outputs.shape, has_next, scope)

    forward, reverse = map(of_outputs, DIRECTIONS, encoding.passes[0])
    return (forward, reverse), grads
