"""The HTML of a training, a checkpoint or a model: what it is, the curve of its losses, and samples.

All that comes from a corpus or a file is escaped. The colours are those of the notebook, whether it is light or dark.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from html import escape

from charrnn import engine as engines
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.saved_training import SavedTraining
from charrnn.config import UNIT_OF_LAYOUT
from charrnn.dataset.control_characters import one_line, visible
from charrnn.errors import CharRNNError, counted
from charrnn.inspection.notebook.curve import curve
from charrnn.inspection.run_samples import held_out_sources, reads_sources, sample_text
from charrnn.model.losses import Losses
from charrnn.model.model import Model
from charrnn.training.state import loss_curve
from charrnn.training.trainer import Trainer

SEED = 1
"""The seed of the sample of a model: it looks the same each time."""
BOX = "max-width:46rem;line-height:1.5"
TEXT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;margin:0.5em 0;padding:0 0 0 0.8em;border:0;"
    "border-left:2px solid #8888;background:none;color:inherit;font-family:monospace"
)


def html(shown: object) -> str:
    """The HTML of a training run, saved or not, of a checkpoint, or of a model."""
    match shown:
        case SavedTraining():
            return _training(shown.trainer, shown.path.name)
        case Trainer():
            return _training(shown, "")
        case Checkpoint():
            return _checkpoint(shown)
        case Model():
            return _box([_heading("Model", _network(shown)), *_losses(shown.losses, shown), *_sample(shown, SEED)])
    raise TypeError(f"there is no HTML for {type(shown).__name__}")


def _training(trainer: Trainer, file: str) -> str:
    s = trainer.state
    step, steps = s.counters.step, s.training_config.steps
    facts = [s.corpus.name, f"step {step:,} of {steps:,}", f"epoch {trainer.epoch_of(step):,}", file]
    if not trainer.is_between_steps:
        return _box([_heading("Training", ", ".join(filter(None, facts))), _note("interrupted within a step")])
    model = trainer.best
    parts = [_heading("Training", ", ".join(filter(None, [_network(model), *facts])))]
    parts += _losses(loss_curve(trainer.history), model)
    if not step and s.init_from is None:
        return _box([*parts, _note("nothing is learned yet")])
    return _box([*parts, *_sample(model, s.training_config.seed + trainer.best_step, held_out_sources(trainer))])


def _checkpoint(checkpoint: Checkpoint) -> str:
    model, corpus = checkpoint.model, checkpoint.corpus
    facts = [_network(model), "" if corpus is None else corpus.name]
    facts += [] if checkpoint.step is None else [f"step {checkpoint.step:,}"]
    heading = _heading("Checkpoint", ", ".join(filter(None, facts)))
    return _box([heading, *_losses(loss_curve(checkpoint.history), model), *_sample(model, SEED)])


def _network(model: Model) -> str:
    """What network a model has, in a few words."""
    config, V = model.config, len(model.vocabulary)
    characters = "bytes" if model.vocabulary.is_bytes else f"{V:,} distinct characters"
    form = "" if config.form == "language_model" else f"{config.form}: "
    return f"{form}{config.cell}, {config.layers} × {config.hidden_size}, {model.n_params:,} parameters, {characters}"


def _losses(losses: Sequence[Losses], model: Model) -> list[str]:
    """The curve, and the last losses in words."""
    unit = UNIT_OF_LAYOUT.get(model.layout, "character")
    drawn = curve(losses, unit)
    if not drawn:
        return [_note("no losses are known")]
    last = max(losses, key=lambda row: row.step)
    words = [] if last.training is None else [f"training loss {last.training:.3f}"]
    if last.validation is not None:
        words.append(f"validation loss {last.validation:.3f} ({last.validation / math.log(2):.2f} bits per {unit})")
    return [
        f"<div>{drawn}</div>",
        _note(f"step {last.step:,}: {', '.join(words)}; {counted(len(losses), 'evaluations')}"),
    ]


def _sample(model: Model, seed: int, sources: Sequence[str] = ()) -> list[str]:
    """A sample, or why there is none; nothing for a model that reads texts, if there are none for it."""
    if reads_sources(model) and not sources:
        return []
    try:  # with NumPy, since another engine may have to compile first
        text = sample_text(replace(model, engine=engines.load("numpy")), seed, sources).strip("\n")
    except (CharRNNError, MemoryError) as error:
        return [_note(f"no sample: {error}")]
    about = "texts that it reads" if reads_sources(model) else "a sample at temperature 0.8"
    return [_note(about), f'<pre dir="auto" style="{TEXT}">{escape(visible(text))}</pre>']


def _box(parts: Sequence[str]) -> str:
    return f'<div class="charrnn" style="{BOX}">{"".join(parts)}</div>'


def _heading(what: str, text: str) -> str:
    return f"<div><strong>{what}</strong>: {escape(one_line(text))}</div>"


def _note(text: str) -> str:
    return f'<div style="opacity:0.75;font-size:0.9em">{escape(one_line(text))}</div>'
