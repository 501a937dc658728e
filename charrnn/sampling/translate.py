"""Translation: rewrites texts with a model of pairs, each source as its likeliest target."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from charrnn import engine as engines
from charrnn.config import MAX_THREADS, REWRITING_LAYOUTS, between, one_of
from charrnn.dataset.groups import map_batches, texts_in_groups
from charrnn.dataset.vocabulary import POLICIES, TAB
from charrnn.engine import available_cores
from charrnn.engine.threads import Threads, row_shards
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from charrnn.layers import attention
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model, check_model
from charrnn.resources import blas
from charrnn.sampling import beam as beam_search
from charrnn.types import Array, Ids, Indices

SOURCES_PER_BATCH = 256
"""Sources that `translate` takes at once."""
CHARS_PER_CALL = 4096
"""Characters of sources that are read at once."""
MAX_PADDED = 1 << 14
"""Characters of sources that a translator reads at once, padding included."""
MAX_BEAM = 1000
EMPTY_LENGTH = 2
"""The ids of an empty source: what is before it, and its tab."""
NOTHING = [beam_search.Hypothesis((), 0.0, True)]
"""What an empty source becomes: an empty target, of which nothing was drawn."""


@dataclass(frozen=True)
class Translation:
    """A target that a model found for a source."""

    text: str
    logprob: float
    """In nats, of its characters and of the newline that ends it."""
    chars: int
    """The characters drawn, the newline included."""
    complete: bool
    """Whether it ended by itself; otherwise it was cut at the greatest length."""
    alternatives: tuple["Translation", ...] = ()
    """The next best targets, in order."""
    unknown: int = 0
    """The characters of the source that were left out or replaced because the model has never seen them."""

    @property
    def bpc(self) -> float:
        """The mean surprisal in bits per character: the lower, the surer the model is."""
        return abs(self.logprob) / math.log(2) / self.chars if self.chars else 0.0


def translate(
    model: Model,
    sources: Iterable[str],
    *,
    beam: int = 4,
    nbest: int = 1,
    length: int | None = None,
    unknown: str = "error",
    threads: int | None = None,
) -> Iterator[Translation]:
    """The likeliest target of each source, in order; memory holds only `SOURCES_PER_BATCH` of them.

    `beam` is the number of beginnings that the search keeps: 1 always takes the likeliest character. `nbest` asks for
    more targets, as `alternatives`. The target of an empty source is empty, without a search. A target is cut after
    `length` characters (None: `Model.default_length`). Characters that are not in the vocabulary are treated as in
    `Vocabulary.replace_unknown`.

    Raises `ConfigError` for a model that has no pairs and for options out of range; `VocabularyError` for an unknown
    character and `CorpusError` for a tab or newline in a source, and for one that is not among the labels of a language
    model that has some, all with the number of the source, after the targets of those before it; `CheckpointError` if
    the predictions are NaN or infinite.
    """
    batches = texts_in_groups(sources, SOURCES_PER_BATCH, "translate")
    found = translate_batches(model, batches, beam=beam, nbest=nbest, length=length, unknown=unknown, threads=threads)
    return itertools.chain.from_iterable(found)


def check_rewrites(model: Model) -> None:
    """Raises `ConfigError` for a model that has no pairs."""
    check_model(model)
    if model.layout not in REWRITING_LAYOUTS:
        raise ConfigError('this model does not rewrite texts: `charrnn.train(layout="pairs")` makes models that do')


def translate_batches(
    model: Model,
    batches: Iterable[Sequence[str]],
    *,
    beam: int = 4,
    nbest: int = 1,
    length: int | None = None,
    unknown: str = "error",
    threads: int | None = None,
) -> Iterator[list[Translation]]:
    """`translate` of sources in batches: yields the targets of each batch before it asks for the next."""
    check_rewrites(model)
    one_of("unknown", unknown, POLICIES)
    threads = available_cores() if threads is None else threads
    length = model.default_length if length is None else length
    if type(nbest) is int and type(beam) is int and 1 <= beam < nbest:
        raise ConfigError(f"a beam of {beam} can't find {nbest} targets: raise `beam`, or lower `nbest`")
    for name, value, least, most in (
        ("beam", beam, 1, MAX_BEAM),
        ("nbest", nbest, 1, MAX_BEAM),
        ("length", length, 0, 2**31),
        ("threads", threads, 1, MAX_THREADS),
    ):
        if type(value) is not int:
            raise ConfigError(f"{name} can't be {value!r}", name)
        between(name, value, least, most)
    model = replace(model, engine=engines.load("numpy"))  # the compiled engine has no single step
    encoded = map_batches(partial(_encode, model, unknown), batches)
    return blas.limited(_translate_batches(model, encoded, beam, nbest, length, threads))


def _translate_batches(
    model: Model, batches: Iterable[list[tuple[Ids, int]]], beam: int, nbest: int, length: int, n_threads: int
) -> Iterator[list[Translation]]:
    workspaces = [Workspace() for _ in range(n_threads)]
    with Threads(n_threads) as threads:
        for encoded in batches:
            ids, n_unknown = [ids for ids, _ in encoded], [n for _, n in encoded]
            filled = np.flatnonzero([len(i) > EMPTY_LENGTH for i in ids])
            order = filled[np.argsort([-len(ids[n]) for n in filled], kind="stable")]
            shards = [order[rows] for rows in row_shards(len(order), min(n_threads, max(1, len(order))))]

            def search(rows: Indices, workspace: Workspace, ids: list[Ids] = ids) -> list[list[beam_search.Hypothesis]]:
                return _search(model, [ids[n] for n in rows], beam, length, workspace)

            found = itertools.chain.from_iterable(threads.map(search, shards, workspaces[: len(shards)]))
            by_source = dict(zip(np.concatenate(shards).tolist() if len(order) else (), found, strict=True))
            yield [_translation(model, by_source.get(n, NOTHING)[:nbest], n_unknown[n]) for n in range(len(ids))]


def _encode(model: Model, unknown: str, number: int, source: str) -> tuple[Ids, int]:
    """The ids of a source, after `Model.start` and with its tab, and the number of its unknown characters.

    A language model of labels has learned no other sources, and so rewrites none.
    """
    vocabulary, labels = model.vocabulary, model.labels if model.layout == "pairs" else None
    for character, name in ((TAB, "tab"), ("\n", "newline")):
        if character in source:
            raise CorpusError.of_text(number, f": a source has no {name}s: leave them out")
    known, n_unknown = vocabulary.replace_unknown(model.text_form.normalize(source), unknown)
    try:
        ids = vocabulary.encode(known + TAB)
    except VocabularyError as error:
        raise VocabularyError.of_text(number, f": {error}") from None
    if known and labels is not None and known not in labels.names:
        why = f": {labels.unknown_label(known)}; `charrnn.sample_lines(label=…)` writes texts of a label"
        raise CorpusError.of_text(number, why)
    return np.concatenate(([model.start], ids)).astype(ids.dtype), n_unknown


def _search(
    model: Model, sources: list[Ids], beam: int, length: int, workspace: Workspace
) -> list[list[beam_search.Hypothesis]]:
    """The targets of sources, the longest of which comes first."""
    if not sources:
        return []
    newline, found = model.vocabulary.characters.index("\n"), []
    looks_back = model.config.form == "translator"
    for rows in _chunks(sources) if looks_back else [sources]:
        with np.errstate(all="ignore"):  # weights that are too large show in the search
            state, step = _beside(model, rows, workspace) if looks_back else _after(model, rows)
        context = np.array([ids[-1] for ids in rows], rows[0].dtype)
        found += beam_search.search(step, context, state, newline=newline, beam=beam, longest=length)
    return found


def _chunks(sources: list[Ids]) -> Iterator[list[Ids]]:
    """The sources in groups, each padded to at most `MAX_PADDED` characters unless a single one is longer."""
    while sources:
        n = max(1, MAX_PADDED // len(sources[0]))
        yield sources[:n]
        sources = sources[n:]


def _after(model: Model, sources: list[Ids]) -> tuple[Array, beam_search.Step]:
    """The state [L, S, N, H] of a language model after N sources, and how the search goes on from it."""

    def step(context: Ids, state: Array, _: Indices) -> tuple[Array, Array]:
        return model.step(context, state)

    return read_ragged(model, [ids[:-1] for ids in sources]), step


def _beside(model: Model, sources: list[Ids], workspace: Workspace) -> tuple[Array, beam_search.Step]:
    """The state [L, S, N, H] of a translator's decoder beside N sources, and how the search goes on from it."""
    from charrnn.model.translator import Translator

    network = model.network
    assert isinstance(network, Translator)
    lengths = np.array([max(1, len(ids) - 2) for ids in sources])  # an empty source is read as its tab
    padded = np.zeros((lengths.max(), len(sources)), sources[0].dtype)
    for row, (ids, n) in enumerate(zip(sources, lengths, strict=True)):
        padded[:n, row] = ids[1 : n + 1]
    everything = network.read(model.params, padded, lengths, workspace.scope("source"))
    known: Indices = np.arange(len(sources))
    some = everything

    def step(context: Ids, state: Array, source: Indices) -> tuple[Array, Array]:
        nonlocal known, some
        rows = source[:: np.count_nonzero(source == source[0])]  # each source has the same number of rows
        if not np.array_equal(rows, known):
            known, some = rows, attention.select_rows(everything, rows)
        return network.step(model.params, context, state, some, workspace.scope("target"))

    return network.decoder.zero_state(len(sources), model.params["W_out"].dtype), step


def read_ragged(model: Model, texts: list[Ids]) -> Array:
    """The state [L, S, N, H] after each of N texts, the longest of which comes first."""
    lengths = np.array([len(ids) for ids in texts])
    found, state = model.zero_state(len(texts)), model.zero_state(len(texts))
    read = 0
    for length in np.unique(lengths):
        rows = int(np.count_nonzero(lengths >= length))
        state = state[:, :, :rows]
        for start in range(read, length, max(1, CHARS_PER_CALL // rows)):
            stop = min(length, start + max(1, CHARS_PER_CALL // rows))
            _, state = model.forward(np.stack([ids[start:stop] for ids in texts[:rows]], axis=1), state)
        ended = lengths[:rows] == length
        found[:, :, :rows][:, :, ended] = state[:, :, ended]
        read = int(length)
    return found


def _translation(model: Model, hypotheses: list[beam_search.Hypothesis], unknown: int) -> Translation:
    first, *others = (
        Translation(model.vocabulary.decode(h.ids), h.logprob, len(h.ids) + h.complete, h.complete) for h in hypotheses
    )
    return Translation(first.text, first.logprob, first.chars, first.complete, tuple(others), unknown)
