"""Whole texts for a bidirectional network: encoded, put side by side by length, and shared among threads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from charrnn.config import check_threads, one_of
from charrnn.dataset.groups import map_batches
from charrnn.dataset.vocabulary import POLICIES, TAB, Vocabulary
from charrnn.engine import available_cores
from charrnn.engine.threads import Threads, deal
from charrnn.errors import CorpusError, VocabularyError
from charrnn.layers.softmax import log_softmax
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model, check_finite
from charrnn.resources import blas
from charrnn.types import Array, Ids, Indices

MAX_ROWS = 64
"""The most texts that a thread reads side by side."""
CHARS_PER_CALL = 8192
"""The most characters that a thread reads at once, unless a single text is longer."""
MAX_TEXT = 1 << 19
"""The most characters of a text: with 256 hidden units they take about 3 GB, as they are read as a whole."""
TAB_ADVICE = {
    "classifier": "give texts without labels, or compare with `charrnn classify --evaluate`",
    "tagger": "give texts without tags, compare with `charrnn tag --evaluate`, or read words and tags with --conll",
}
"""What to do about a text with a tab."""
Read = Callable[[Ids, Indices, Workspace], Array]
"""`read(inputs [T, B], lengths [B], workspace)` → logits [B, n] of each text, or [T, B, n] of each character."""
Answer = tuple[str, Array, int]
"""A text, the probabilities [n] or [T, n] for it, and how many of its characters were left out."""
Encoded = tuple[str, Ids, int]
"""A text, its ids, and how many of its characters were left out."""


def probabilities_of_batches(
    model: Model, batches: Iterable[Sequence[str]], read: Read, *, unknown: str, threads: int | None
) -> Iterator[list[Answer]]:
    """The answer for each text of each batch, in order; the texts are in the normal form that the model reads.

    Raises `ConfigError` for an unknown policy or fewer than one thread; `VocabularyError` for an unknown character and
    `CorpusError` for a tab or more than `MAX_TEXT` characters, with the number of the text, after the answers for those
    before it; and `DivergenceError` if they are NaN or infinite.
    """
    one_of("unknown", unknown, POLICIES)
    n_threads = available_cores() if threads is None else threads
    check_threads(n_threads)
    encoded = map_batches(partial(_encode, model, unknown), batches)
    return blas.limited(_read_batches(model.vocabulary, encoded, read, n_threads))


def _read_batches(
    vocabulary: Vocabulary, batches: Iterable[list[Encoded]], read: Read, n_threads: int
) -> Iterator[list[Answer]]:
    workspaces = [Workspace() for _ in range(n_threads)]
    with Threads(n_threads) as threads:
        for batch in batches:
            texts = [ids for _, ids, _ in batch]
            groups = _groups(texts)
            shards = deal(groups, n_threads)
            found: dict[int, Array] = {}
            for part in threads.map(partial(_read_groups, vocabulary, texts, read), shards, workspaces):
                found |= part
            yield [(text, found[n], left_out) for n, (text, _, left_out) in enumerate(batch)]


def _read_groups(
    vocabulary: Vocabulary, texts: list[Ids], read: Read, groups: Sequence[list[int]], workspace: Workspace
) -> dict[int, Array]:
    """The probabilities for the texts of some groups, by the place of the text."""
    found = {}
    for group in groups:
        inputs, lengths = _side_by_side([texts[n] for n in group], vocabulary)
        with np.errstate(all="ignore"):  # weights that are too large show in the result
            p = np.exp(log_softmax(read(inputs, lengths, workspace).astype(np.float64)))
        check_finite(p)
        for row, n in enumerate(group):
            found[n] = (p[row] if p.ndim == 2 else p[: lengths[row], row]).copy()
    return found


def _encode(model: Model, unknown: str, number: int, text: str) -> Encoded:
    """A text in the model's normal form, with its ids, and how many of its characters were left out."""
    text = model.text_form.normalize(text)
    if TAB in text:
        raise CorpusError.of_text(number, f": a text has no tabs: {TAB_ADVICE[model.config.form]}")
    if len(text) > MAX_TEXT:
        what = f" has {len(text):,} characters, and {MAX_TEXT:,} are the most: break it up"
        raise CorpusError.of_text(number, what)
    known, left_out = model.vocabulary.replace_unknown(text, unknown)
    try:
        return text, model.vocabulary.encode(known), left_out
    except VocabularyError as error:
        raise VocabularyError.of_text(number, f": {error}") from None


def _groups(texts: list[Ids]) -> list[list[int]]:
    """The texts in groups of similar length, the longest first."""
    groups: list[list[int]] = []
    room = 0
    for n in sorted(range(len(texts)), key=lambda n: -len(texts[n])):
        if not room:
            groups.append([])
            room = min(MAX_ROWS, max(1, CHARS_PER_CALL // max(1, len(texts[n]))))
        groups[-1].append(n)
        room -= 1
    return groups


def _side_by_side(texts: list[Ids], vocabulary: Vocabulary) -> tuple[Ids, Indices]:
    """The inputs [T, B] of texts, the longest of which comes first, and their lengths [B]."""
    inputs = np.zeros((max(1, len(texts[0])), len(texts)), vocabulary.dtype)
    for row, ids in enumerate(texts):
        inputs[: len(ids), row] = ids
    return inputs, np.array([len(ids) for ids in texts])
