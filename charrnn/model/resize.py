"""The resize: weights for a larger vocabulary, in which the new characters begin as the mean of the old ones.

    W_ih[new] = mean over old v of W_ih[v]            how a new character is read
    y_new     = mean over old v of y_v                how it is predicted, since W_out and b_out are means too

The logits of the old characters stay as they are, and so does the distribution over them, given that the next character
is an old one. The logit of a new one is the mean of theirs: its probability is the geometric mean of theirs, which a
trained network makes small (J. Hewitt, "Initializing New Word Embeddings for Pretrained Language Models", 2021).
"""

import numpy as np

from charrnn.config import WRITERS
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.model.model import Model
from charrnn.types import Array, Params


def resize(model: Model, vocabulary: Vocabulary, end: str = "\n") -> Params:
    """The parameters of a model of any form for a larger vocabulary, which begins with its own.

    Only the first layers of its cells read characters, and only the head of a writer, and what an auxiliary loss has,
    predict them; all other arrays are the same ones. `end` is the character with which a text of the new kind ends, and
    before which one begins: if it is new, it is read as the one was before which the texts of the model began.
    """
    V, start = len(model.vocabulary), vocabulary.start_after(end)
    n_new = len(vocabulary) - V
    if not n_new:
        return model.params
    resized = {}
    for name, p in model.params.items():
        if name.startswith("W_ih0"):
            resized[name] = _extended(p, n_new, axis=0)
            if start >= V:
                resized[name][start] = p[model.start]
        elif (name in ("W_out", "b_out") and model.config.form in WRITERS) or "_next" in name:
            resized[name] = _extended(p, n_new, axis=-1)
        else:
            resized[name] = p
    return resized


def _extended(p: Array, n_new: int, axis: int) -> Array:
    """An array with its mean along an axis, repeated at the end of that axis."""
    mean = p.mean(axis=axis, keepdims=True, dtype=np.float64).astype(p.dtype)
    return np.concatenate((p, np.repeat(mean, n_new, axis=axis)), axis=axis)
