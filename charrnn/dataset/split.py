"""The reading: what of a corpus is learned from, chunk by chunk, and what is held out; as running text or records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from charrnn.config import TrainingConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.corpus import MIN_VALIDATION, Corpus
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.streams import Streams
from charrnn.model.model import READ_CHUNK, Model
from charrnn.types import Ids

MIN_PART = 16_384
"""Characters of a held-out text, at least, that are read as a part of it, side by side with others."""
MAX_PARTS = 64
WARM_UP = 1024
"""Characters that are read before those of a part."""


class TrainingData(Protocol):
    """What training goes through, in epochs that all have as many chunks: `Streams` or `Batches`."""

    @property
    def size(self) -> int:
        """The characters there are to learn from."""

    def text(self, most: int, /) -> Ids:
        """Some of these characters, so many at most, as they stand one after the other."""

    @property
    def lines(self) -> int:
        """The records among them; 0 for running text."""

    @property
    def rows(self) -> int:
        """B: what is read side by side."""

    @property
    def per_step(self) -> float:
        """The characters that a step reads, about."""

    @property
    def offsets(self) -> int:
        """How many ways there are for an epoch to go; which one it goes is drawn."""

    @property
    def chunks(self) -> int:
        """The chunks of one epoch, which is its steps."""

    def epoch(self, offset: int, /) -> Callable[[int], Batch]:
        """The chunks of an epoch that goes this way, by their numbers."""


class ValidationData(Protocol):
    """What is never learned from, and read as a whole to validate a model."""

    @property
    def size(self) -> int:
        """Its characters; 0 where nothing is held out."""

    def text(self, most: int, /) -> Ids:
        """Some of these characters, so many at most, as they stand one after the other."""

    @property
    def lines(self) -> int:
        """Its records; 0 for running text."""

    def losses(self, model: Model, /) -> Iterator[tuple[float, int]]:
        """The loss of all of it, piece by piece: nats, and how many characters they are for."""


@dataclass(frozen=True)
class ValidationStream:
    """The end of a running text, read in order with the state carried."""

    ids: Ids
    lines: int = 0

    @property
    def size(self) -> int:
        """Its characters."""
        return len(self.ids)

    def text(self, most: int) -> Ids:
        """The first of these characters, so many at most."""
        return self.ids[:most]

    def losses(self, model: Model) -> Iterator[tuple[float, int]]:
        """As `ValidationData.losses`.

        A long text is cut into parts that are read side by side, which is faster. Each of them first reads the `WARM_UP`
        characters that stand before it: after so many, no state tells any more where it began.
        """
        B = min(len(self.ids) // MIN_PART, MAX_PARTS)
        return model.chunk_losses(self._side_by_side(B, model.vocabulary.start), B) if B > 1 else model.losses(self.ids)

    def _side_by_side(self, B: int, start: int) -> Iterator[Batch]:
        """The text in B parts; before its first character stands `start`."""
        length = -(-len(self.ids) // B)
        T = READ_CHUNK // B
        ends = np.minimum(np.arange(1, B + 1) * length, len(self.ids))
        for begin in (*range(-WARM_UP, 0, T), *range(0, length, T)):
            stop = min(begin + T, 0 if begin < 0 else length)
            places = np.arange(begin, stop)[:, None] + np.arange(B) * length
            inputs, targets = (self.ids.take(places - before, mode="clip") for before in (1, 0))
            inputs[places == 0] = start
            real = (places >= 0) & (places < ends) & (begin >= 0)
            yield Batch(inputs, targets, slice(0, 1) if begin == 0 else slice(0, 0), real)


@dataclass(frozen=True)
class ValidationLines:
    """Records that are held out, each read from a fresh state, many side by side."""

    batches: LineBatches

    @property
    def size(self) -> int:
        """Their characters, line ends included."""
        return self.batches.size

    def text(self, most: int) -> Ids:
        """As `Records.text`."""
        return self.batches.text(most)

    @property
    def lines(self) -> int:
        """How many there are."""
        return self.batches.lines

    def losses(self, model: Model) -> Iterator[tuple[float, int]]:
        """As `ValidationData.losses`."""
        return model.chunk_losses(map(self.batches.epoch(0), range(self.batches.chunks)), self.batches.rows)


class Split(NamedTuple):
    """The two parts of a corpus, and what a model will know of its lines; None where it has no lines to know."""

    learned: TrainingData
    held_out: ValidationData
    known: LineSet | None


def split_corpus(corpus: Corpus, config: TrainingConfig) -> Split:
    """How a training with this configuration reads a corpus; raises `CorpusError` for one that has too few lines."""
    B, T = config.batch_size, config.seq_length
    if config.lines:
        records = corpus.records
        learned, held_out = records.split(config.val_fraction, MIN_VALIDATION, config.seed)
        return Split(
            LineBatches(learned, B, T),
            ValidationLines(LineBatches(held_out, B, T)),
            LineSet.of(records.longest, records.digests),
        )
    running, tail = corpus.split(config.val_fraction)
    return Split(Streams(running, B, T), ValidationStream(tail), None)
