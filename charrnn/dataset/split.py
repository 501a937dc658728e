"""The split: the part of a corpus to learn from and the part to validate on, in the layout of the configuration."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from charrnn.config import REWRITING_LAYOUTS, TrainingConfig
from charrnn.dataset import conll, pairs
from charrnn.dataset.bad_lines import Fault, recounting
from charrnn.dataset.batch import CHARS_PER_READ, NO_ROWS, Batch
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.held_out import MIN_VALIDATION
from charrnn.dataset.id_counts import blocks_of
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_rows import usual_longest
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.lines import LineBatches, Lines
from charrnn.dataset.spread import SegmentStreams, split_blocks
from charrnn.dataset.streams import Streams
from charrnn.dataset.translations import TranslationBatches
from charrnn.dataset.whole_texts import LabelBatches, TagBatches, distinct, prior_shift, texts_alone
from charrnn.errors import CorpusError
from charrnn.types import Array, Ids

HEAD = 16_384
"""The characters of a corpus that show whether they look like words and tags."""
MIN_PART = 16_384
"""The fewest characters of a part of a validation text that is read side by side with other parts."""
MAX_PARTS = 64
WARM_UP = 1024
"""Characters that are read before a part, so that its losses do not depend on where it begins."""


class PartOfCorpus(Protocol):
    """What the two parts of a corpus have in common."""

    @property
    def size(self) -> int:
        """The number of characters that count; 0 if nothing is held out for validation."""

    @property
    def chars_read(self) -> int:
        """The number of characters that are read: more than count, if some are sources."""

    def excerpt(self, limit: int, /) -> Ids:
        """At most `limit` of these characters, consecutive."""

    @property
    def n_lines(self) -> int:
        """The number of lines; 0 for a continuous text."""

    @property
    def batch_size(self) -> int:
        """B: the rows that are read side by side."""

    def blocks(self) -> Iterator[Ids]:
        """All of these characters, in blocks of any length."""


class TrainingData(PartOfCorpus, Protocol):
    """The data to learn from, in epochs with the same number of batches: `Streams`, `SegmentStreams`, `LineBatches`."""

    @property
    def chars_per_step(self) -> float:
        """The characters of an average batch that count."""

    @property
    def chars_read_per_step(self) -> float:
        """The characters of an average batch that are read."""

    @property
    def n_orders(self) -> int:
        """The number of orders that an epoch can have; the trainer draws one for each epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """The batches of one epoch."""

    def epoch(self, order: int, /) -> Callable[[int], Batch]:
        """The batches, by their number, of the epoch with this order."""


class ValidationData(PartOfCorpus, Protocol):
    """The data that is never learned from, but read in full to validate.

    It is a `ValidationStream`, `ValidationBlocks` or `LineBatches`.
    """

    def batches(self, start: int, /) -> Iterator[Batch]:
        """All of the data, batch by batch; the first input of a text is the id `start`."""


@dataclass(frozen=True)
class ValidationStream:
    """The end of a continuous text, or a text of its own, read in order with the state carried.

    A long text is cut into parts that are read side by side, which is faster. Each part first reads the `WARM_UP`
    characters before it: after that many, the state no longer depends on where it began.
    """

    ids: Ids
    n_lines: int = 0

    @property
    def size(self) -> int:
        """The number of characters."""
        return len(self.ids)

    @property
    def chars_read(self) -> int:
        """All characters are read, and count."""
        return self.size

    def excerpt(self, limit: int) -> Ids:
        """The first `limit` ids of the text."""
        return self.ids[:limit]

    def blocks(self) -> Iterator[Ids]:
        """See `PartOfCorpus.blocks`."""
        return blocks_of(self.ids)

    @property
    def batch_size(self) -> int:
        """B: the parts that are read side by side."""
        return max(1, min(len(self.ids) // MIN_PART, MAX_PARTS))

    def range_of(self, rows: slice) -> tuple[int, int]:
        """Where the characters that some parts read begin and end; it may begin before the first."""
        length = -(-len(self.ids) // self.batch_size)
        return rows.start * length - WARM_UP - 1, rows.stop * length

    def batches(self, start: int) -> Iterator[Batch]:
        """See `ValidationData.batches`."""
        return self._side_by_side(start) if self.batch_size > 1 else self._in_order(start)

    def _in_order(self, start: int) -> Iterator[Batch]:
        before = start
        for n in range(0, len(self.ids), CHARS_PER_READ):
            targets = self.ids[n : n + CHARS_PER_READ]
            inputs = np.empty_like(targets)
            inputs[0], inputs[1:], before = before, targets[:-1], int(targets[-1])
            yield Batch(inputs[:, None], targets[:, None], slice(None) if n == 0 else NO_ROWS)

    def _side_by_side(self, start: int) -> Iterator[Batch]:
        B = self.batch_size
        length = -(-len(self.ids) // B)
        T = CHARS_PER_READ // B
        ends = np.minimum(np.arange(1, B + 1) * length, len(self.ids))
        for begin in (*range(-WARM_UP, 0, T), *range(0, length, T)):
            stop = min(begin + T, 0 if begin < 0 else length)
            places = np.arange(begin, stop)[:, None] + np.arange(B) * length
            inputs, targets = (self.ids.take(places - before, mode="clip") for before in (1, 0))
            inputs[places == 0] = start
            mask = (places >= 0) & (places < ends) & (begin >= 0)
            yield Batch(inputs, targets, slice(0, 1) if begin == 0 else NO_ROWS, mask)


class Split(NamedTuple):
    """The two parts of a corpus, and what a model of it has to know."""

    training: TrainingData
    validation: ValidationData
    line_set: LineSet | None = None
    """The lines of the corpus, of pairs the targets; None for a continuous text."""
    labels: LabelSet | None = None
    """The sources of pairs, if they are labels."""
    skipped: tuple[Fault, ...] = ()
    """What is wrong with the lines that were left out because they are no pairs."""
    prior_shift: Array | None = None
    """What the logits of labels gain because a line that occurs several times is learned once: see `prior_shift`."""

    @property
    def n_skipped(self) -> int:
        """The number of these lines."""
        return sum(fault.n_lines for fault in self.skipped)


def split_corpus(corpus: Corpus, config: TrainingConfig) -> Split:
    """Splits a corpus for training with this configuration; raises `CorpusError` if it has too few lines."""
    B, T = config.batch_size, config.seq_length
    if config.layout == "stream":
        return _split_stream(corpus, config)
    if config.layout in ("labels", "tags"):
        return _split_whole_texts(corpus, config)
    if config.layout in REWRITING_LAYOUTS:
        _check_pairs(corpus, config.layout, config.skip_bad)
        lines, labels, skipped = corpus.pairs.lines, corpus.pairs.labels, corpus.pairs.faults
        line_set = LineSet.from_digests(max(1, corpus.pairs.longest_target), corpus.pairs.target_digests)
    else:
        lines, labels, skipped = corpus.lines, None, ()
        line_set = LineSet.from_digests(lines.longest, lines.digests, usual_longest(lines.lengths))
    training, validation = _split_lines(lines, corpus, config)
    batches = TranslationBatches if config.layout == "translations" else LineBatches
    return Split(batches(training, B, T), batches(validation, B, T), line_set, labels, skipped)


def _split_stream(corpus: Corpus, config: TrainingConfig) -> Split:
    """The split of a continuous text: its end, blocks from all over it, or a text of its own is held out."""
    if corpus.held_out is not None:
        head, tail = corpus.ids, corpus.held_out.ids
    else:
        head, tail = corpus.split(config.val_fraction)
        if config.val_spread and len(tail):
            return Split(*split_blocks(corpus.ids, len(tail), config.seed, config.batch_size, config.seq_length))
    return Split(Streams(head, config.batch_size, config.seq_length), ValidationStream(tail))


def training_sample(training: TrainingData, limit: int) -> ValidationData:
    """About `limit` characters of the data to learn from, to be read as validation data is."""
    if not isinstance(training, LineBatches):
        return ValidationStream(training.excerpt(limit))
    lines = training.lines
    order = np.random.default_rng(0).permutation(len(lines))
    n = int(np.searchsorted(np.cumsum(lines.lengths[order].astype(np.int64) + 1), limit))
    chosen = np.zeros(len(lines), bool)
    chosen[order[: max(1, n)]] = True
    return replace(training, lines=lines.select(chosen))


def stream_training(training: int, validation: int, config: TrainingConfig) -> Streams | SegmentStreams:
    """The training data of a continuous text, of which only the numbers of characters are known."""
    N = training + (validation if config.val_spread else 0)
    ids = np.broadcast_to(np.uint8(0), N)  # an array that takes no memory
    if config.val_spread and validation:
        return split_blocks(ids, validation, config.seed, config.batch_size, config.seq_length)[0]
    return Streams(ids, config.batch_size, config.seq_length)


def _split_lines(lines: Lines, corpus: Corpus, config: TrainingConfig) -> tuple[Lines, Lines]:
    """The training lines and the validation lines: those of a text of its own, or lines that the seed chooses.

    Raises `CorpusError` if a text of its own, or the corpus without it, has too few.
    """
    if corpus.held_out is None:
        return lines.split(config.val_fraction, MIN_VALIDATION, config.seed)
    learned = corpus.is_learned(lines)
    if learned.all():
        raise CorpusError(f"{corpus.held_out.name} has nothing to validate on: write it as the corpus is written")
    if np.count_nonzero(learned) < 2:
        raise CorpusError(f"{corpus.name} has less than two lines to learn from: give a longer corpus")
    return lines.select(learned), lines.select(~learned)


def _check_pairs(corpus: Corpus, layout: str, skip_bad: bool) -> None:
    """Raises `CorpusError` for bad lines: see `pairs.check`."""
    found, of_words, looks_tagged = corpus.pairs_of(layout), bool(corpus.tag_names), False
    if found.faults and layout == "tags" and not of_words:
        looks_tagged = conll.looks_tagged(corpus.alphabet.decode(corpus.ids[:HEAD]).split("\n"))
    is_plain = "".join(corpus.alphabet.characters).isascii()  # then its normal form is the same
    recounted = "" if is_plain else recounting(found.faults, corpus.text_form.normalization, corpus.alphabet.is_bytes)
    pairs.check(found, corpus.name, layout, skip_bad, of_words, looks_tagged, recounted)


def output_labels(corpus: Corpus, layout: str, skip_bad: bool) -> LabelSet:
    """The labels or the tags that a network of the layout `labels` or `tags` predicts.

    Raises `CorpusError` for bad lines that are not to be skipped, and for labels that are too many or all the same.
    """
    _check_pairs(corpus, layout, skip_bad)
    return corpus.tagged.labels if layout == "tags" else corpus.labelled.labels


def _split_whole_texts(corpus: Corpus, config: TrainingConfig) -> Split:
    """The split of texts that are read as a whole, in the layout `labels` or `tags`.

    Nothing is held out if only one label would be left to learn.
    """

    def parts(texts: Lines) -> tuple[Lines, Lines]:
        return _split_lines(texts, corpus, config)

    output_labels(corpus, config.layout, config.skip_bad)  # checks the pairs
    B, T = config.batch_size, config.seq_length
    if config.layout == "labels":
        found, labels, ids = corpus.labelled
        texts = texts_alone(found, ids)
        training, validation = parts(texts)
        if training.labels is None or len(np.unique(training.labels)) < 2:  # too few texts to hold any out
            if corpus.held_out is not None:
                raise CorpusError(f"{corpus.name} has only one label: give lines with at least two")
            training, validation = texts, texts.select(np.zeros(len(texts), bool))
        learned = distinct(training)
        shift = prior_shift(training, learned, len(labels))
        return Split(LabelBatches(learned, B, T), LabelBatches(validation, B, T), None, labels, found.faults, shift)
    found, labels, tag_of = corpus.tagged
    tagged, held_out = (TagBatches(part, B, T, tag_of) for part in parts(texts_alone(found)))
    return Split(tagged, held_out, None, labels, found.faults)
