"""The scores of lines: each line is a text of its own, and many are read side by side."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.config import REWRITING_LAYOUTS, check_threads, one_of
from charrnn.dataset.groups import checked_texts, in_blocks, in_groups
from charrnn.dataset.vocabulary import TAB, Vocabulary
from charrnn.engine import available_cores
from charrnn.engine.threads import Threads, deal
from charrnn.errors import ConfigError, VocabularyError
from charrnn.layers.workspace import Workspace
from charrnn.model.line_losses import groups_of, line_losses
from charrnn.model.model import Model
from charrnn.resources import blas
from charrnn.scoring.score import UNKNOWN_POLICIES, Score, Text, check_scores, encode_known, read_nll
from charrnn.types import Array, Ids, Indices, Mask

if TYPE_CHECKING:
    from charrnn.scoring.adaptation import Adaptation

LINES_PER_BATCH = 1024
"""Lines that `score_lines` takes at once."""
LEARNED_AT_ONCE = 1 << 14
"""The characters that are taken at once to be learned from: those of 0.3 s with 2×128 and of 4 s with 1×512, so that a
progress bar goes on. With a fourth as many, threads wait more for each other, 4 % of the time."""
Counts = NDArray[np.intp]
Line = TypeVar("Line")


def score_lines(
    model: Model,
    lines: Iterable[Text],
    *,
    stateful: bool = False,
    unknown: str = "count",
    threads: int | None = None,
    adaptation: "Adaptation | None" = None,
    forgets: bool = False,
) -> Iterator[Score]:
    """The score of each line, in order; a line is scored as given, with its newline if it has one.

    Each line is a text of its own, and those of a batch are read side by side: none is scored before all of these have
    been taken, see `line_batches`. For lines that arrive one by one, give one or a few at a time. With `stateful`, the
    state is carried from line to line, so that the scores add up to that of the whole text. A line with nothing to
    score has a score of 0. `threads` is the number of cores by default. For a model of pairs, only the target counts,
    from the character after the tab.

    With an adaptation of the model, which goes on with what it has read, the lines are read one after the other, and
    each character is predicted before it is learned from. With `stateful` they go on with the text that it has read, if
    any. With `forgets`, each line begins with the trained weights, so that several are read at once; the adaptation
    itself stays as it is.

    `unknown` is one of `score.UNKNOWN_POLICIES`. With `error` it raises `VocabularyError` as `score` does, with the
    number of the line, after it has yielded the scores of the lines before it. Raises `ConfigError` for what is not
    several texts, for fewer than one thread, for `stateful` with a model of pairs or with `forgets`.
    """
    check_scores(model)
    texts = checked_texts(lines, "score_lines", (str, bytes))
    scores = score_batches(
        model,
        line_batches(texts, len, in_order=adaptation is not None and not forgets),
        stateful=stateful,
        unknown=unknown,
        threads=threads,
        adaptation=adaptation,
        forgets=forgets,
    )
    return itertools.chain.from_iterable(scores)


def line_batches(lines: Iterable[Line], size: Callable[[Line], int], in_order: bool) -> Iterator[list[Line]]:
    """The lines in lists of `LINES_PER_BATCH` or, if a model learns from them in order, of about `LEARNED_AT_ONCE`."""
    if in_order:
        return in_blocks(lines, lambda line: size(line) + 1, LEARNED_AT_ONCE)
    return in_groups(lines, LINES_PER_BATCH)


def score_batches(
    model: Model,
    batches: Iterable[Sequence[Text]],
    *,
    stateful: bool = False,
    unknown: str = "count",
    threads: int | None = None,
    adaptation: "Adaptation | None" = None,
    forgets: bool = False,
) -> Iterator[list[Score]]:
    """`score_lines` of lines in batches: yields the scores of each batch before it asks for the next."""
    check_scores(model)
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    threads = available_cores() if threads is None else threads
    check_threads(threads)
    if stateful and model.layout in REWRITING_LAYOUTS:
        raise ConfigError("a model of pairs reads each line alone: leave out `stateful`")
    if forgets and (stateful or adaptation is None):
        raise ConfigError(
            "what lines teach is forgotten after each only if each is a text of its own, with `adaptation`"
        )
    encoded = _encoded(model, batches, unknown)
    if adaptation is not None:
        from charrnn.scoring.adaptation import check_reader

        check_reader(adaptation, model)
        if not forgets:
            return _adapted(encoded, adaptation, stateful)
        return blas.limited(_forgetful(encoded, adaptation, threads))
    return blas.limited(_stateful(model, encoded) if stateful else _stateless(model, encoded, threads))


@dataclass(frozen=True)
class _LineBatch:
    """The ids [N] of n lines, one line after the other."""

    ids: Ids
    counts: Counts
    """[n]: the characters of each line."""
    unknown: Counts
    """[n]: the characters of each line that are not in the vocabulary, and so not in `ids`."""
    firsts: Counts
    """[n]: the first character of each line that counts; for pairs that after the tab, or the end if there is none."""
    counted: Counts
    """[n]: the unknown characters of each line that count: all, for pairs those after the tab; none if skipped."""
    unseen_nats: float
    """What each of those costs."""

    @property
    def starts(self) -> Counts:
        """Where each line begins in `ids` [n]."""
        return np.cumsum(self.counts) - self.counts

    def sums(self, nats: Array) -> Array:
        """The losses of the lines [n], whose characters cost nats [N]."""
        losses, filled = np.zeros(len(self.counts)), np.flatnonzero(self.counts)
        if len(filled):
            losses[filled] = np.add.reduceat(nats, self.starts[filled], dtype=np.float64)
        return losses

    def scores(self, nats: Array, *without_learning: Array) -> list[Score]:
        """The scores of the lines, whose known characters cost nats [n], and without learning perhaps others [n]."""
        chars = self.counts - self.firsts + self.counted
        losses = [(each + self.counted * self.unseen_nats).tolist() for each in (nats, *without_learning)]
        return [*map(Score, chars.tolist(), losses[0], self.unknown.tolist(), *losses[1:])]


def _encoded(model: Model, batches: Iterable[Sequence[Text]], unknown: str) -> Iterator[_LineBatch]:
    """The batches as ids. If a line can't be encoded: the lines before it, and then the error."""
    done = 0
    for given in batches:
        lines = [*map(model.as_read, given)]
        try:
            batch = _encode(model, lines, unknown)
        except VocabularyError:
            n, error = _first_error(model.vocabulary, lines)
            yield _encode(model, lines[:n], unknown)
            raise VocabularyError.of_text(done + n + 1, f": {error}", model.record_form.unit[:-1]) from None
        yield batch
        done += len(lines)


def _encode(model: Model, lines: Sequence[Text], unknown: str) -> _LineBatch:
    """Encodes all lines in one call, since a call costs more than the characters of a line."""
    vocabulary = model.vocabulary
    if vocabulary.is_bytes:
        parts = [line if isinstance(line, bytes) else bytes(vocabulary.encode(line)) for line in lines]
        ids, known = encode_known(vocabulary, b"".join(parts), unknown)
        lengths = np.array([*map(len, parts)], np.intp)
    else:
        texts = [line if isinstance(line, str) else line.decode("utf-8", "surrogateescape") for line in lines]
        ids, known = encode_known(vocabulary, "".join(texts), unknown)
        lengths = np.array([*map(len, texts)], np.intp)
    upto = np.concatenate(([0], np.cumsum(known)))  # the known characters before each character
    ends = np.cumsum(lengths)
    counts = upto[ends] - upto[ends - lengths]
    missing = lengths - counts
    firsts, counted = np.zeros_like(counts), missing if unknown == "count" else np.zeros_like(counts)
    if model.layout in REWRITING_LAYOUTS:
        tab = vocabulary.characters.index(TAB)
        firsts = np.array([_after(tab, ids[end - n : end]) for n, end in zip(counts, np.cumsum(counts), strict=True)])
        firsts = firsts.astype(counts.dtype)
        if counted.any():
            last = np.cumsum(counts) - counts + firsts - 1  # the tab, if there is one
            has_tab = (firsts > 0) & (ids.take(last, mode="clip") == tab) if len(ids) else firsts > 0
            counted = _unknown_between(known, last, ends) * has_tab
    return _LineBatch(ids, counts, missing, firsts, counted, model.unseen_nats if counted.any() else 0.0)


def _unknown_between(known: Mask, tabs: Counts, ends: Counts) -> Counts:
    """The unknown characters [n] of each line from its tab on; any number for a line without one.

    `known` [N] says which characters of all lines are known. `tabs` [n] are places among those, `ends` [n] among all.
    """
    upto = np.concatenate(([0], np.cumsum(~known)))  # the unknown characters before each character
    places = np.append(np.flatnonzero(known), 0)
    found: Counts = upto[ends] - upto[places.take(tabs, mode="clip")]
    return found


def _after(character: int, ids: Ids) -> int:
    """The place after the first occurrence of a character; the end if there is none."""
    places = np.flatnonzero(ids == character)
    return int(places[0]) + 1 if len(places) else len(ids)


def _first_error(vocabulary: Vocabulary, lines: Sequence[Text]) -> tuple[int, VocabularyError]:
    """The first line that can't be encoded, of lines with at least one such, and its error."""
    for n, line in enumerate(lines):
        try:
            vocabulary.encode(line)
        except VocabularyError as error:
            return n, error
    raise AssertionError("every line can be encoded")


def _stateful(model: Model, batches: Iterable[_LineBatch]) -> Iterator[list[Score]]:
    """The scores of lines that are one text."""
    before, text_state, workspace = model.start, model.zero_text_state(1), Workspace()
    for batch in batches:
        nats, before, text_state = read_nll(model, batch.ids, before, text_state, workspace)
        yield batch.scores(batch.sums(nats))


def _adapted(batches: Iterable[_LineBatch], adaptation: "Adaptation", stateful: bool) -> Iterator[list[Score]]:
    """The scores of lines from which the model learns in their order."""
    continued = adaptation.continued()
    for batch in batches:
        resets = np.zeros(len(batch.ids), bool)
        resets[batch.starts[batch.counts > 0]] = not stateful
        yield batch.scores(*map(batch.sums, continued(batch.ids, resets)))


def _forgetful(batches: Iterable[_LineBatch], adaptation: "Adaptation", n_threads: int) -> Iterator[list[Score]]:
    """The scores of lines that the model learns from, each beginning with the trained weights.

    Lines have weights of their own then, which no product of matrices shares: each thread reads one after the other.
    """
    readers: list[Adaptation] = []
    with Threads(n_threads) as threads:
        for batch in batches:
            losses = np.zeros((2, len(batch.counts)))
            shards = deal(np.flatnonzero(batch.counts).tolist(), n_threads)
            readers += [adaptation.fresh() for _ in shards[len(readers) :]]
            threads_of_reader = n_threads if len(shards) == 1 else 1
            threads.map(partial(_read_apart, batch, losses, threads_of_reader), shards, readers)
            yield batch.scores(*losses)


def _read_apart(batch: _LineBatch, losses: Array, n_threads: int, lines: Sequence[int], reader: "Adaptation") -> None:
    """Writes the losses of some lines to `losses` [2, n], with and without learning.

    Each of the lines is the first thing that its reader reads.
    """
    starts = batch.starts
    for line in lines:
        reader.forget()
        ids = batch.ids[starts[line] : starts[line] + batch.counts[line]]
        losses[:, line] = reader.surprisals(ids, threads=n_threads).sum(axis=1)


def _stateless(model: Model, batches: Iterable[_LineBatch], n_threads: int) -> Iterator[list[Score]]:
    """The scores of lines that are texts of their own, read side by side in several threads."""
    workspaces = [Workspace() for _ in range(n_threads)]
    with Threads(n_threads) as threads:
        for batch in batches:
            losses = np.zeros(len(batch.counts))
            shards = deal(groups_of(batch.counts, n_threads), n_threads)
            threads.map(partial(_score_shard, model, batch, losses), shards, workspaces)
            yield batch.scores(losses)


def _score_shard(
    model: Model, batch: _LineBatch, losses: Array, groups: Sequence[Indices], workspace: Workspace
) -> None:
    """Writes the losses of the lines in a shard to `losses` [n]."""
    starts = batch.starts
    for lines in groups:
        losses[lines] = line_losses(
            model, batch.ids, starts[lines], batch.counts[lines], batch.firsts[lines], workspace
        )
