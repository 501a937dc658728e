"""The announcement of a run: its corpus, its network, its length, and the file that it writes."""

from collections.abc import Iterator
from pathlib import Path

from charrnn.cli.terminal.labels import READING, cell_label, dropout_label
from charrnn.dataset.lines import LineBatches
from charrnn.training.options import DEFAULT_TIME
from charrnn.training.trainer import Trainer

UNITS = {"pairs": "pairs", "translations": "pairs", "labels": "texts", "tags": "texts"}
"""What a run learns from, one after the other, except lines and records; a continuous text has no such parts."""


def lines(trainer: Trainer, path: Path, default_time: bool) -> Iterator[str]:
    """The notices at the start of a run; `default_time` says that the training time was not given."""
    if default_time:
        minutes = f"{DEFAULT_TIME / 60:g} minutes"
        yield f"training time: {minutes} (the default); set another with --time, or give --steps or --epochs"
    yield from _corpus(trainer)
    yield from _network(trainer)
    step = trainer.state.counters.step
    yield f"{f'continues at step {step:,}, ' if step else ''}writes {path}"


def _unit(trainer: Trainer) -> str:
    layout = trainer.state.training_config.layout
    return trainer.record_form.unit if layout == "lines" else UNITS.get(layout, "")


def _corpus(trainer: Trainer) -> Iterator[str]:
    corpus, vocabulary = trainer.state.corpus, trainer.state.vocabulary
    n_lines = corpus.training_lines + corpus.validation_lines
    chars = f"{corpus.training_chars + corpus.validation_chars:,} {'bytes' if vocabulary.is_bytes else 'characters'}"
    layout = trainer.state.training_config.layout
    unit = _unit(trainer)
    if layout in ("labels", "tags") and trainer.labels is not None:
        n_read = trainer.training_data.chars_read + trainer.validation_data.chars_read
        yield f"{corpus.name}: {n_lines:,} texts, {n_read:,} characters, {len(trainer.labels)} {layout}"
    else:
        yield f"{corpus.name}: {f'{n_lines:,} {unit}, ' * bool(n_lines)}{chars}, {len(vocabulary)} distinct"
    if trainer.n_skipped:
        of_words = trainer.labels is not None and trainer.labels.of_words
        yield f"{'sentences with ' * of_words}bad lines that were skipped: {trainer.n_skipped:,}"
    data = trainer.training_data
    if isinstance(data, LineBatches) and data.rows.n_cut:
        yield f"{unit} that are much longer than others, or very long, and so are read in parts: {data.rows.n_cut:,}"
    if corpus.validation_chars and n_lines:
        training, validation = corpus.training_lines, corpus.validation_lines
        yield f"trains on {training:,} of the {unit}, validates on the other {validation:,}, chosen at random"
    elif corpus.validation_chars:
        yield f"trains on the first {corpus.training_chars:,}, validates on the last {corpus.validation_chars:,}"
    elif trainer.state.training_config.val_fraction:
        yield "too short to hold out validation text: trains on all of it and keeps the last weights"


def _network(trainer: Trainer) -> Iterator[str]:
    model, config, n = trainer.state.model_config, trainer.state.training_config, len(trainer.shards)
    data, deadline = trainer.training_data, trainer.deadline
    both = READING[model.form]
    yield (
        f"{cell_label(model)}, {model.layers} × {model.hidden_size}{both}: {trainer.latest.n_params:,} parameters; "
        f"{config.engine} engine, {n} thread{'s' * (n > 1)}"
    )
    if deadline is not None:
        verb = "continues for" if trainer.state.counters.step else "settings for"
        yield f"{verb} {deadline.seconds:.0f} s on this machine (estimated):"
    B = data.batch_size
    n_cut = data.rows.n_cut if isinstance(data, LineBatches) else 0
    batch = (
        f"{B} {'rows' if n_cut else _unit(trainer)}"
        if data.n_lines
        else f"{B} × {data.chars_per_step / B:.0f} characters"
    )
    yield (
        f"{config.steps:,} steps of {batch}, {config.steps / data.steps_per_epoch:.3g} epochs, "
        f"{config.optimizer} at {config.lr:g}, {config.schedule}, {dropout_label(model)}; seed {config.seed}"
    )
