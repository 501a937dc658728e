"""The samples of a run: what its model writes or, if it reads texts, what it makes of some that are held out."""

from collections.abc import Iterator, Sequence

import numpy as np

from charrnn.config import MAX_SEED, PAIR_LAYOUTS, SamplingConfig
from charrnn.dataset.lines import LineBatches
from charrnn.model.model import Model
from charrnn.sampling.generate import generate
from charrnn.sampling.lines import sample_lines
from charrnn.sampling.translate import translate
from charrnn.scoring.classify import classify
from charrnn.scoring.tag import tag
from charrnn.training.trainer import Trainer

LENGTH = 200
"""The characters of a sample; the most characters of each of its lines for a model of lines."""
LINES = 5
"""The lines of a sample for a model of lines."""
MAX_SOURCE = 200
"""The most characters of a source that is shown with what a model makes of it."""


def run_sample(trainer: Trainer, length: int = LENGTH, count: int = LINES) -> str:
    """A sample of the current model of a run, as `sample_text` gives it."""
    seed = trainer.state.training_config.seed + trainer.state.counters.step
    return sample_text(trainer.latest, seed, held_out_sources(trainer, count), length, count)


def sample_text(model: Model, seed: int, sources: Sequence[str] = (), length: int = LENGTH, count: int = LINES) -> str:
    """A text by a model or, if it is a model of lines, `count` lines; `length` is the most characters.

    A model that reads texts says what it makes of each source.
    """
    seed, config = seed % MAX_SEED, SamplingConfig(temp=0.8)
    if model.layout in ("labels", "tags"):
        return "\n".join(_answers(model, sources))
    if model.layout == "stream":
        return "".join(generate(model, length=length, seed=seed, config=config))
    if reads_sources(model):
        found = translate(model, sources, beam=1)
        return "\n".join(f"{source} → {target.text}" for source, target in zip(sources, found, strict=True))
    length = min(length, model.default_length)
    drawn = sample_lines(model, count=count, length=length, seed=seed, config=config)
    texts = (line.text if line.label is None else f"{line.label}: {line.text}" for line in drawn)
    return f"\n{model.record_form.separator}".join(texts)


def _answers(model: Model, texts: Sequence[str]) -> Iterator[str]:
    """Texts with the labels or the tags that the model gives them."""
    if model.layout == "labels":
        for text, found in zip(texts, classify(model, texts), strict=True):
            yield f"{text} → {found.label} ({found.probability:.0%})"
    else:
        for tagging in tag(model, texts):
            yield f"{tagging.text}\n{tagging.tags}"


def reads_sources(model: Model) -> bool:
    """Whether a model says something about texts that it reads, rather than write texts of its own."""
    return model.layout in ("labels", "tags", "translations") or (model.layout == "pairs" and model.labels is None)


def held_out_sources(trainer: Trainer, count: int = LINES) -> list[str]:
    """Some first texts of pairs that are held out, if any are: at even distances, so that they are of all kinds.

    A layout without pairs has none.
    """
    data = trainer.validation_data if trainer.validation_data.size else trainer.training_data
    if not isinstance(data, LineBatches) or trainer.state.training_config.layout not in PAIR_LAYOUTS:
        return []
    lines, chosen = data.lines, np.linspace(0, len(data.lines) - 1, count).astype(int)
    texts = (lines.ids[lines.starts[n] : lines.starts[n] + lines.lengths[n]] for n in chosen)
    return [trainer.state.vocabulary.decode(ids).partition("\t")[0][:MAX_SOURCE] for ids in texts]
