"""The model that a resumed run keeps, better than the weights of its state: it gets the n-grams that are asked for."""

from dataclasses import replace
from pathlib import Path

from charrnn.checkpoint.model_file import load, save
from charrnn.training.ngram_counts import fitted
from charrnn.training.trainer import Trainer


def update_ngrams(path: Path, trainer: Trainer) -> None:
    """Writes the model with the n-grams of the run, weighted for it, or without any, unless it has such already.

    Raises `CheckpointError` if the file can't be read or written.
    """
    checkpoint, table = load(path), trainer.ngrams
    model, config = checkpoint.model, trainer.state.training_config
    if (model.ngrams and model.ngrams.order) == (table and table.order) or checkpoint.training is None:
        return
    model = replace(model, ngrams=table)
    model = replace(model, ngrams=fitted(model, trainer.validation_data))
    save(path, replace(checkpoint, model=model, training=replace(checkpoint.training, ngrams=config.ngrams)))
