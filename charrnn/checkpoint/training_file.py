"""The training's file: all that a run needs to go on, bit for bit."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from charrnn import engine as engines
from charrnn.checkpoint.atomic_file import AtomicFile
from charrnn.checkpoint.metadata import (
    history_to_json,
    read_config,
    read_history,
    read_model,
    read_text,
    vocabulary_to_json,
)
from charrnn.checkpoint.tensor_file import TensorFile, create
from charrnn.config import TrainingConfig
from charrnn.dataset.files import Source
from charrnn.dataset.lines import even_batch_size
from charrnn.dataset.streams import Streams
from charrnn.errors import CheckpointError
from charrnn.model import network
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.state import CorpusInfo, Counters, TrainingState
from charrnn.types import Params


def save_state(path: Path, snapshot: TrainingState) -> None:
    """Writes the state of a training. Raises `CheckpointError` where it can't be written."""
    with create_state_file(path, snapshot) as state:
        state.publish()


def create_state_file(path: Path, snapshot: TrainingState) -> AtomicFile:
    s = snapshot
    tensors = {"state": s.state}
    for group, arrays in (("params", s.params), ("best", s.best), ("moments", s.moments), ("average", s.average)):
        tensors |= {f"{group}.{name}": array for name, array in arrays.items()}
    metadata = {
        "model": asdict(s.model),
        "vocabulary": vocabulary_to_json(s.vocabulary),
        "training": asdict(s.training),
        "corpus": asdict(s.corpus),
        "source": asdict(s.source) if s.source else None,
        "history": history_to_json(s.history),
        "rng": s.rng.bit_generator.state,
        "position": asdict(s.at),
        "run": s.run,
    }
    return create(path, tensors, metadata)


def load_state(path: Path) -> TrainingState:
    """Reads the state of a training. Raises `CheckpointError` where it is missing or not what it says it is."""
    if not path.exists():
        raise CheckpointError(f"there is no training to resume: {path} is missing")
    file = TensorFile(path)
    config, vocabulary = read_model(file)
    training, corpus = read_config(file, "training", TrainingConfig), read_config(file, "corpus", CorpusInfo)
    position, history = read_config(file, "position", Counters), read_history(file)
    cell = network.cell_of(config, engines.load("numpy"))
    params = network.param_shapes(config, cell)
    if position.best_step not in (0, *(row.step for row in history)):
        raise file.damaged("position")
    shapes = {f"params.{name}": shape for name, shape in params.items()}
    shapes |= {f"best.{name}": shape for name, shape in params.items() if history}
    shapes |= {f"average.{name}": shape for name, shape in params.items() if training.average}
    for moment in OPTIMIZERS[training.optimizer].moments:
        shapes |= {f"moments.{moment}.{name}": shape for name, shape in params.items()}
    shapes["state"] = (config.layers, cell.STATES, _rows(file, training, corpus, position), config.hidden_size)
    tensors = file.tensors(shapes)

    def group(prefix: str) -> Params:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    return TrainingState(
        config,
        training,
        vocabulary,
        corpus,
        _source(file),
        group("params."),
        group("moments."),
        group("average."),
        tensors["state"],
        file.generator("rng"),
        history,
        group("best."),
        position,
        read_text(file, "run"),
    )


def _rows(file: TensorFile, training: TrainingConfig, corpus: CorpusInfo, position: Counters) -> int:
    """How much is read side by side. Raises `CheckpointError` where the position is at no place of a running text.

    Among records it may be at any: how many chunks these make is seen when the corpus is there, and then looked at.
    """
    if training.lines:
        return even_batch_size(corpus.training_lines, training.batch_size)
    # Of the streams only their number matters here, so a text that takes no memory stands for the corpus
    streams = Streams(np.broadcast_to(np.uint8(0), corpus.training), training.batch_size, training.seq_length)
    if not position.fits(streams.chunks, streams.offsets):
        raise file.damaged("position")
    return streams.rows


def _source(file: TensorFile) -> Source | None:
    data = file.json("source")
    if data is None:
        return None
    try:
        source = Source(**(data | {"paths": tuple(data["paths"])}))
        texts = (*source.paths, source.encoding, source.errors)
        if all(isinstance(text, str) for text in texts) and isinstance(source.as_bytes, bool) and source.paths:
            return source
    except (TypeError, KeyError):
        pass
    raise file.damaged("source")
