"""The announcement of a run: its corpus, its network, its length, and the file that it writes."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from charrnn.cli.terminal.labels import READING, cell_label, dropout_label
from charrnn.cli.train.rank_lines import of_job
from charrnn.config import UNIT_OF_LAYOUT
from charrnn.dataset.bad_lines import told
from charrnn.dataset.id_counts import CharacterCount
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.spread import ValidationBlocks
from charrnn.dataset.translations import TranslationBatches
from charrnn.dataset.vocabulary import MAX_NAMED, describe
from charrnn.dataset.whole_texts import LabelBatches, TagBatches, distinct
from charrnn.errors import counted, listed
from charrnn.scoring.tag import outside_tag
from charrnn.training import corpus_check
from charrnn.training.options import DEFAULT_TIME
from charrnn.training.trainer import Trainer

UNITS = {"pairs": "pairs", "translations": "pairs", "labels": "texts", "tags": "texts"}
"""What a run learns from, one after the other, except lines and records; a continuous text has no such parts."""


def lines(trainer: Trainer, path: Path, default_time: bool, default_min_count: bool) -> Iterator[str]:
    """The notices at the start of a run.

    `default_time` says that the training time was not given, and `default_min_count` the same of the `min_count`.
    """
    if default_time:
        minutes = f"{DEFAULT_TIME / 60:g} minutes"
        yield f"training time: {minutes} (the default); set another with --time, or give --steps or --epochs"
    yield from _corpus(trainer)
    yield from _characters(trainer, default_min_count)
    yield from _network(trainer)
    yield from of_job(trainer)
    yield from _start(trainer)
    step = trainer.state.counters.step
    yield f"{f'continues at step {step:,}, ' if step else ''}writes {path}"


def _unit(trainer: Trainer) -> str:
    layout = trainer.state.training_config.layout
    return trainer.record_form.unit if layout == "lines" else UNITS.get(layout, "")


def _corpus(trainer: Trainer) -> Iterator[str]:
    corpus, vocabulary = trainer.state.corpus, trainer.state.vocabulary
    held_out, held_out_lines = (0, 0) if corpus.val_digest else (corpus.validation_chars, corpus.validation_lines)
    n_lines = _learned_lines(trainer) + held_out_lines
    chars = counted(corpus.training_chars + held_out, f"{vocabulary.unit}s")
    layout = trainer.state.training_config.layout
    unit = _unit(trainer)
    if layout in ("labels", "tags") and trainer.labels is not None:
        n_read = trainer.training_data.chars_read + bool(held_out) * trainer.validation_data.chars_read
        texts = f"{counted(n_lines, 'texts')}{_different(trainer, n_lines)}"
        yield f"{corpus.name}: {texts}, {counted(n_read, 'characters')}, {counted(len(trainer.labels), layout)}"
    else:
        yield f"{corpus.name}: {f'{counted(n_lines, unit)}, ' * bool(n_lines)}{chars}, {len(vocabulary)} distinct"
    if layout == "tags" and trainer.labels is not None:
        yield f"outside of spans: {outside_tag(trainer.labels)!r}"
    if trainer.skipped:
        of_words = trainer.labels is not None and trainer.labels.of_words
        n = sum(fault.n_lines for fault in trainer.skipped)
        yield f"{'sentences with ' * of_words}bad lines that were skipped: {n:,}; {told(trainer.skipped)}"
    data = trainer.training_data
    if isinstance(data, LineBatches) and data.rows.n_cut:
        yield f"{unit} that are much longer than others, or very long, and so are read in parts: {data.rows.n_cut:,}"
    yield from _too_small(trainer, unit)
    yield from _split(trainer, unit)
    yield from _cut(trainer)


def _too_small(trainer: Trainer, unit: str) -> Iterator[str]:
    """That nothing can be learned from so little, and what would be enough, if so."""
    if not corpus_check.is_too_small(trainer):
        return
    data, chars = trainer.training_data, f"{trainer.state.vocabulary.unit}s"
    n, unit, some, many = (data.n_lines, unit, 300, 1000) if data.n_lines else (data.size, chars, 10_000, 100_000)
    yield (
        f"far too small: {n:,} {unit} to learn from teach nothing about any other text; {some:,} are enough to begin "
        f"with, and {many:,} or more work best"
    )


def _learned_lines(trainer: Trainer) -> int:
    """The lines that are learned; a classifier learns those that are the same once, but each of them counts here."""
    corpus = trainer.state.corpus
    if trainer.state.training_config.layout == "labels" and trainer.labels is not None:
        return sum(trainer.labels.counts) - corpus.validation_lines
    return corpus.training_lines


def _different(trainer: Trainer, n_lines: int) -> str:
    """How many of the texts of a classifier are different, if some are the same and have the same label."""
    corpus, data = trainer.state.corpus, trainer.validation_data
    different = corpus.training_lines
    if isinstance(data, LabelBatches) and not corpus.val_digest:
        different += len(distinct(data.lines))
    is_less = trainer.state.training_config.layout == "labels" and different < n_lines
    return f", {different:,} of them different" * is_less


def _split(trainer: Trainer, unit: str) -> Iterator[str]:
    """What is learned, and what is validated on."""
    corpus, data = trainer.state.corpus, trainer.validation_data
    n_lines = corpus.training_lines + corpus.validation_lines
    if corpus.val_digest:
        chars = f"{trainer.state.vocabulary.unit}s"
        size = counted(corpus.validation_lines, unit) if n_lines else counted(corpus.validation_chars, chars)
        yield f"trains on all of it, validates on the {size} of {corpus.val_name}"
        if 2 * (known := corpus_check.learned_lines(trainer)) > corpus.validation_lines:
            yield (
                f"{unit} of {corpus.val_name} that are learned too: {known:,} of {corpus.validation_lines:,}, so that "
                "the validation loss says little about others"
            )
    elif corpus.validation_chars and n_lines:
        training, validation = _learned_lines(trainer), corpus.validation_lines
        yield f"trains on {training:,} of the {unit}, validates on the other {validation:,}, chosen at random"
    elif isinstance(data, ValidationBlocks):
        blocks = f"{counted(len(data.starts), 'blocks')} of {data.block_size:,} from all over the text"
        yield f"trains on {corpus.training_chars:,}, validates on {corpus.validation_chars:,}: {blocks}"
    elif corpus.validation_chars:
        yield f"trains on the first {corpus.training_chars:,}, validates on the last {corpus.validation_chars:,}"
    elif trainer.state.training_config.val_fraction and n_lines:
        yield f"too few {unit} to hold some out for validation: trains on all of them and keeps the last weights"
    elif trainer.state.training_config.val_fraction:
        yield "too short to hold out validation text: trains on all of it and keeps the last weights"
    deadline = trainer.deadline
    if not data.size and deadline is not None and deadline.max_steps < math.inf:
        epochs = counted(round(deadline.max_steps / trainer.training_data.steps_per_epoch), "epochs")
        yield (
            "nothing is held out to show when the network begins to overfit: training ends after "
            f"{epochs} at the latest; --val-file validates on a text of its own"
        )


def _cut(trainer: Trainer) -> Iterator[str]:
    """How many of the texts are too long to be read as a whole, if any are."""
    config, data = trainer.state.training_config, trainer.training_data
    if not isinstance(data, LabelBatches | TagBatches | TranslationBatches):
        return
    lengths = data.lines.lengths.astype(np.int64)
    if isinstance(data, TranslationBatches) and data.lines.firsts is not None:
        firsts = data.lines.firsts.astype(np.int64)
        lengths = np.maximum(firsts - 1, lengths - firsts + 1)
    cut, T = int(np.count_nonzero(lengths > config.seq_length)), config.seq_length
    if cut:
        unit = f"{trainer.state.vocabulary.unit}s"
        yield (
            f"{UNITS[config.layout]} to learn from that are cut after {counted(T, unit)}: {cut:,} of {len(lengths):,}; "
            f"--seq-length {lengths.max()} reads all of them, more slowly"
        )


def _characters(trainer: Trainer, default_min_count: bool) -> Iterator[str]:
    """What is special about the characters: those that are rare or never learned, and a tail of another kind."""
    state = trainer.state
    if found := trainer.rare:
        again = "; --min-count 0 keeps them, at the price of speed" * default_min_count
        yield (
            f"characters that occur less than {state.training_config.min_count:,} times are replaced by similar ones "
            f"or left out: {found.distinct:,}, {_percent(found)} of the text{again}"
        )
    elif hint := corpus_check.rare_characters(trainer):
        min_count, found = hint
        yield (
            "most characters are rare, and each makes training slower: "
            f"{found.distinct:,} of {len(state.vocabulary):,} occur less than {min_count} times "
            f"and are {_percent(found)} of the text; "
            f"--min-count {min_count} replaces them or leaves them out"
        )
    unseen = corpus_check.only_held_out(trainer)
    if unseen.distinct:
        unit = f"{state.vocabulary.unit}s"
        yield (
            f"{unit} that only the held-out text has, so that they are never learned: {unseen.distinct:,}, "
            f"{_percent(unseen)} of it"
        )
    if labels := corpus_check.labels_only_held_out(trainer):
        kind, named = f"{UNIT_OF_LAYOUT[state.training_config.layout]}s", listed([*map(repr, labels)], MAX_NAMED)
        yield f"{kind} that only the held-out text has, so that they are never learned: {named}"
    if n := corpus_check.with_several_labels(trainer):
        yield f"texts that occur under more than one label: {n:,}"
    if corpus_check.have_own_labels(trainer):
        yield "nearly every text has a label of its own: are the columns swapped, or were --tags or --pairs meant?"
    if corpus_check.tail_differs(trainer):
        yield (
            f"the last {trainer.validation_data.size:,} are of another kind than the rest, so that the validation loss "
            "says little: --val-spread validates on blocks from all over the text, --val-file on a text that you choose"
        )


def _percent(found: CharacterCount) -> str:
    """The share of some characters with two digits."""
    return f"{100 * found.share:.2g}%"


def _start(trainer: Trainer) -> Iterator[str]:
    """What became of the characters that the model of --init-from has never seen."""
    began = trainer.state.init_from
    if began is None:
        return
    if began.n_new:
        characters = trainer.state.vocabulary.characters[-began.n_new :]
        named = listed([*map(describe, characters)], MAX_NAMED)
        yield f"characters that the model of --init-from has never seen, and will learn: {named}"
    if began.n_replaced:
        done = "left out" if began.unknown == "skip" else "replaced by the nearest ones"
        yield f"characters that the model of --init-from has never seen were {done}: {began.n_replaced:,}"


def _network(trainer: Trainer) -> Iterator[str]:
    model, config, n = trainer.state.model_config, trainer.state.training_config, len(trainer.shards)
    data, deadline = trainer.training_data, trainer.deadline
    both = READING[model.form]
    yield (
        f"{cell_label(model)}, {model.layers} × {model.hidden_size}{both}: {trainer.state.n_params:,} parameters; "
        f"{config.engine} engine{' in bfloat16' * (config.precision == 'bfloat16')}, {counted(n, 'threads')}"
    )
    if deadline is not None:
        verb = "continues for" if trainer.state.counters.step else "settings for"
        yield f"{verb} {deadline.seconds:.0f} s on this machine (estimated):"
    B = data.batch_size
    n_cut = data.rows.n_cut if isinstance(data, LineBatches) else 0
    batch = (
        counted(B, "rows" if n_cut else _unit(trainer))
        if data.n_lines
        else f"{B} × {counted(round(data.chars_per_step / B), 'characters')}"
    )
    epochs = f"{config.steps / data.steps_per_epoch:.3g}"
    yield (
        f"{counted(config.steps, 'steps')} of {batch}, {epochs} epoch{'s' * (epochs != '1')}, "
        f"{config.optimizer} at {config.lr:g}, {config.schedule}, {dropout_label(model)}; seed {config.seed}"
    )
