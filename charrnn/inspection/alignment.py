"""The alignment: which characters of a source a translator reads for each character of the target.

They are the weights of its attention: for each step of the target, shares of the source's characters that sum to 1 (D.
Bahdanau, K. Cho, Y. Bengio, 2015).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from charrnn.dataset.batch import Batch
from charrnn.dataset.vocabulary import TAB
from charrnn.errors import ConfigError, CorpusError, DivergenceError
from charrnn.model.model import Model
from charrnn.model.translator import Translator
from charrnn.resources import blas
from charrnn.sampling.translate import translate
from charrnn.types import Array

MAX_LENGTH = 1000
"""The most characters of a source or a target whose alignment is shown."""
DIGITS = 4
"""The decimal places of a weight."""


@blas.limit()
def alignment(model: Model, text: str, limit: int) -> dict[str, Any]:
    """The alignments of the lines of a text, as plain data.

    A line is a source, for which the model writes the target, or a source, a tab and a target. `pairs` are the `source`
    and the `target` of each, with `weights`: for each character of the target, and for the newline after it, one for
    each character of the source. Characters that the model has never seen are left out. No more lines are read once the
    sources have `limit` characters. Raises `ConfigError` for a model without attention, and `CorpusError` for a text of
    which nothing can be read, and for a line of more than `MAX_LENGTH` characters.
    """
    if not isinstance(model.network, Translator):
        raise ConfigError(
            'only a translator has attention: `charrnn.train(layout="pairs")` makes one of pairs of texts'
        )
    pairs: list[dict[str, Any]] = []
    for source, target in _pairs(model, text):
        if pairs and sum(len(pair["source"]) for pair in pairs) + len(source) > limit:
            break
        weights = _weights(model, model.network, source, target)
        pairs.append({"source": source, "target": target, "weights": weights.round(DIGITS).tolist()})
    if not pairs:
        why = "the model knows none of its characters" if text.strip() else "it is empty"
        raise CorpusError(f"there is nothing to read in this text: {why}")
    return {"pairs": pairs}


def _pairs(model: Model, text: str) -> Iterator[tuple[str, str]]:
    """The source and the target of each line; without a target, that which the model writes."""
    for line in text.split("\n"):
        source, tab, target = (model.vocabulary.replace_unknown(part, "skip")[0] for part in line.partition(TAB))
        if not source:
            continue
        target = target if tab else next(translate(model, [source], threads=1)).text
        if (longest := max(len(source), len(target))) > MAX_LENGTH:
            raise CorpusError(f"a line of {longest:,} characters is too long: give at most {MAX_LENGTH:,}")
        yield source, target


def _weights(model: Model, network: Translator, source: str, target: str) -> Array:
    """The weights [T + 1, S] of the characters of the target and its newline.

    For a model of bytes, a character of the source has those of all its bytes, and one of the target their mean.
    """
    encode = model.vocabulary.encode
    targets = encode(target + "\n")
    inputs = np.concatenate((encode(TAB), targets[:-1]))
    with np.errstate(all="ignore"):  # weights that are too large show in the result
        found = network.alignment(
            model.params, Batch(inputs[:, None], targets[:, None], sources=encode(source)[:, None])
        )[:, 0]
    if not np.isfinite(found).all():
        raise DivergenceError("the model's attention is NaN or infinite: its weights are too large")
    read, written = (np.array([len(encode(c)) for c in text]) for text in (source, target + "\n"))
    columns: Array = np.add.reduceat(found.astype(np.float64), np.cumsum(read) - read, axis=1)
    rows: Array = np.add.reduceat(columns, np.cumsum(written) - written, axis=0)
    rows /= written[:, None]
    return rows
