"""The scores of lines: each a text of its own, many read side by side."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from charrnn.config import between, one_of
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import available_cores
from charrnn.errors import VocabularyError
from charrnn.layers.workspace import Workspace
from charrnn.model.model import Model
from charrnn.scoring.score import UNKNOWN_POLICIES, Score, Text, checked_nll, encode_known, read_nll
from charrnn.types import Array, Ids

LINES_PER_BATCH = 1024
"""Lines that are taken at once from those who have many."""
MAX_ROWS = 48
"""Lines that a thread reads side by side, at the most."""
CHARS_PER_CALL = 2048
"""Characters of such lines that it reads at once: as many as a step of training does, and so in as much memory."""
Counts = NDArray[np.intp]


def score_lines(
    model: Model, lines: Iterable[Text], *, carry: bool = False, unknown: str = "error", threads: int | None = None
) -> Iterator[Score]:
    """The score of each line, in their order; a line is scored as it is given, with its end if it has one.

    Each is a text of its own, and many are read side by side; or, with `carry`, each is read after those before it, so
    that their scores add up to that of the whole. A line in which there is nothing to score has 0 for everything.
    There are as many `threads` as cores, unless it is said how many. Raises `VocabularyError` where `score` does, which
    names the line, after the scores of the lines before it.
    """
    rest = iter(lines)
    batches = iter(lambda: [*itertools.islice(rest, LINES_PER_BATCH)], [])  # up to the first that is empty
    scores = score_batches(model, batches, carry=carry, unknown=unknown, threads=threads)
    return itertools.chain.from_iterable(scores)


def score_batches(
    model: Model,
    batches: Iterable[Sequence[Text]],
    *,
    carry: bool = False,
    unknown: str = "error",
    threads: int | None = None,
) -> Iterator[list[Score]]:
    """`score_lines` of lines that come in batches: the scores of each batch before the next is asked for."""
    one_of("unknown", unknown, UNKNOWN_POLICIES)
    threads = available_cores() if threads is None else threads
    between("threads", threads, 1)
    encoded = _encoded(model.vocabulary, batches, unknown)
    return _stateful(model, encoded) if carry else _stateless(model, encoded, threads)


@dataclass(frozen=True)
class _Batch:
    """Lines as ids [N], one behind the other; `counts` [n] says how many each has, `unknown` [n] how many it lacks."""

    ids: Ids
    counts: Counts
    unknown: Counts

    @property
    def starts(self) -> Counts:
        """Where in `ids` each line begins [n]."""
        return np.cumsum(self.counts) - self.counts

    def scores(self, nats: Array) -> list[Score]:
        """The scores of the lines, whose losses are nats [n]."""
        return [*map(Score, self.counts.tolist(), nats.tolist(), self.unknown.tolist())]


def _encoded(vocabulary: Vocabulary, batches: Iterable[Sequence[Text]], unknown: str) -> Iterator[_Batch]:
    """The batches as ids; of one with a line that can't be had what stands before that, and then the error."""
    done = 0
    for lines in batches:
        try:
            batch = _joined(vocabulary, lines, unknown)
        except VocabularyError:
            n, error = _first_refused(vocabulary, lines)
            yield _joined(vocabulary, lines[:n], unknown)
            raise VocabularyError(f"line {done + n + 1}: {error}") from None
        yield batch
        done += len(lines)


def _joined(vocabulary: Vocabulary, lines: Sequence[Text], unknown: str) -> _Batch:
    """All lines at once: to look up a character takes less time than to call for it."""
    if vocabulary.is_bytes:
        parts = [line if isinstance(line, bytes) else bytes(vocabulary.encode(line)) for line in lines]
        ids, known = encode_known(vocabulary, b"".join(parts), unknown)
        lengths = np.array([*map(len, parts)], np.intp)
    else:
        texts = [line if isinstance(line, str) else line.decode("utf-8", "surrogateescape") for line in lines]
        ids, known = encode_known(vocabulary, "".join(texts), unknown)
        lengths = np.array([*map(len, texts)], np.intp)
    upto = np.concatenate(([0], np.cumsum(known)))  # the known characters before each
    ends = np.cumsum(lengths)
    counts = upto[ends] - upto[ends - lengths]
    return _Batch(ids, counts, lengths - counts)


def _first_refused(vocabulary: Vocabulary, lines: Sequence[Text]) -> tuple[int, VocabularyError]:
    """Which of some lines, one of them at least with unknown characters, is the first such, and what is wrong."""
    for n, line in enumerate(lines):
        try:
            vocabulary.encode(line)
        except VocabularyError as error:
            return n, error
    raise AssertionError("all of the lines are known")


def _stateful(model: Model, batches: Iterable[_Batch]) -> Iterator[list[Score]]:
    """The scores of lines that are one text."""
    before, state, workspace = model.vocabulary.start, model.zero_state(1), Workspace()
    with threadpool_limits(1):
        for batch in batches:
            nats, before, state = read_nll(model, batch.ids, before, state, workspace)
            losses, filled = np.zeros(len(batch.counts)), np.flatnonzero(batch.counts)
            if len(filled):
                losses[filled] = np.add.reduceat(nats, batch.starts[filled], dtype=np.float64)
            yield batch.scores(losses)


def _stateless(model: Model, batches: Iterable[_Batch], threads: int) -> Iterator[list[Score]]:
    """The scores of lines that are each a text; they are read side by side, on several threads."""
    workspaces = [Workspace() for _ in range(threads)]
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        for batch in batches:
            losses = np.zeros(len(batch.counts))
            shards = _shards(batch.counts, threads)
            # One shard needs no thread of its own
            through = pool.map if len(shards) > 1 else map
            for _ in through(partial(_run, model, batch, losses), shards, workspaces):
                pass
            yield batch.scores(losses)


def _shards(counts: Counts, threads: int) -> list[list[Counts]]:
    """Which lines are read by each thread, and which of these side by side: lines of like length, the longest first."""
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    B = max(1, min(MAX_ROWS, -(-len(order) // threads)))
    groups = [order[k : k + B] for k in range(0, len(order), B)]
    return [groups[k::threads] for k in range(min(threads, len(groups)))]


def _run(model: Model, batch: _Batch, losses: Array, shard: list[Counts], workspace: Workspace) -> None:
    """Computes the losses of the lines in a shard."""
    starts = batch.starts
    for lines in shard:
        losses[lines] = _losses(model, batch.ids, starts[lines], batch.counts[lines], workspace)


def _losses(model: Model, ids: Ids, starts: Counts, counts: Counts, workspace: Workspace) -> Array:
    """The losses in nats of B lines [B], which stand in `ids` from `starts` [B] on; the longest is the first.

    Where a line is shorter than others it is read on past its end, but what comes there isn't counted; and a line
    that has ended leaves the batch soon.
    """
    B, t = len(counts), 0
    total, state = np.zeros(B), model.zero_state(B)
    before = np.full(B, model.vocabulary.start, ids.dtype)
    while t < counts[0]:
        B = int(np.count_nonzero(counts > t))
        T = min(-(-CHARS_PER_CALL // B), int(counts[0]) - t)
        steps = np.arange(t, t + T)[:, None]
        targets = ids.take(starts[:B] + steps, mode="clip")
        inputs = np.concatenate((before[None, :B], targets[:-1]))
        nats, state = checked_nll(model, inputs, targets, state[:, :, :B], workspace)
        total[:B] += np.where(steps < counts[:B], nats, 0).sum(axis=0, dtype=np.float64)
        before, t = targets[-1], t + T
    return total
