"""The model's file: what people share."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import engine as engines
from charrnn.checkpoint.atomic_file import AtomicFile
from charrnn.checkpoint.metadata import (
    history_to_json,
    read_config,
    read_history,
    read_line_set,
    read_model,
    read_text,
    vocabulary_to_json,
)
from charrnn.checkpoint.pytorch_format import from_torch, to_torch, torch_views
from charrnn.checkpoint.tensor_file import TensorFile, create
from charrnn.config import TrainingConfig
from charrnn.errors import CheckpointError
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.training.state import CorpusInfo, Evaluation


@dataclass(frozen=True)
class Checkpoint:
    """A model and how it came to be; what another program has not written is None, or empty."""

    model: Model
    step: int | None = None
    """The step that these weights are of: the best by validation loss."""
    training: TrainingConfig | None = None
    corpus: CorpusInfo | None = None
    history: list[Evaluation] = field(default_factory=list)
    version: str = ""
    """The version of charrnn that wrote it."""
    run: str = ""
    """The run that it is of, as in the `Snapshot` beside it."""


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes the model's file. Raises `CheckpointError` where it can't be written."""
    with create_model_file(Path(path), checkpoint) as model:
        model.publish()


def create_model_file(path: Path, checkpoint: Checkpoint, like: Path | None = None) -> AtomicFile:
    model, corpus, training = checkpoint.model, checkpoint.corpus, checkpoint.training
    metadata: dict[str, Any] = {"model": asdict(model.config), "vocabulary": vocabulary_to_json(model.vocabulary)}
    if model.known is not None:
        metadata["records"] = model.known.to_json()
    if training is not None and corpus is not None:
        metadata |= {
            "step": checkpoint.step,
            "training": asdict(training),
            "seed": training.seed,
            "corpus": asdict(corpus),
            "split": {"training": corpus.training, "validation": corpus.validation},
            "history": history_to_json(checkpoint.history),
            "run": checkpoint.run,
        }
    tensors = to_torch(model.params, model.config, network.cell_of(model.config, model.engine))
    return create(path, tensors, metadata, like)


def load(path: str | Path, engine: str = "numpy") -> Checkpoint:
    """Reads a model's file, to be run by an engine, which `engine.resolve` knows.

    Raises `CheckpointError` where it is missing, damaged or not what it says it is.
    """
    file = TensorFile(Path(path))
    if file.has("position"):
        raise CheckpointError(f"{path} is the state of a training; its model lies beside it, without `.resume`")
    config, vocabulary = read_model(file)
    loaded = engines.load(engines.resolve(engine))
    cell = network.cell_of(config, loaded)
    shapes = network.param_shapes(config, cell)
    blank = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    tensors = file.tensors({name: t.shape for name, t in torch_views(blank, config, cell).items()})
    step = file.json("step") if file.has("step") else None
    if step is not None and (type(step) is not int or not 0 <= step <= 2**53):
        raise file.damaged("step")
    params = from_torch(tensors, config, cell)
    if not all(np.isfinite(p).all() for p in params.values()):
        raise CheckpointError(f"{path} is damaged: its biases add up to what is no number")
    return Checkpoint(
        Model(config, vocabulary, params, loaded, read_line_set(file, vocabulary) if file.has("records") else None),
        step,
        read_config(file, "training", TrainingConfig) if file.has("training") else None,
        read_config(file, "corpus", CorpusInfo) if file.has("corpus") else None,
        read_history(file) if file.has("history") else [],
        read_text(file, "version"),
        read_text(file, "run"),
    )
