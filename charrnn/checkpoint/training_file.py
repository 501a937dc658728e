"""The training's file: the state from which a run continues, bit for bit."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import engine as engines
from charrnn.checkpoint import format_1
from charrnn.checkpoint import metadata as meta
from charrnn.checkpoint.atomic_file import AtomicFile
from charrnn.checkpoint.tensor_file import TensorFile, create
from charrnn.config import TrainingConfig
from charrnn.dataset import tables
from charrnn.dataset.files import Source
from charrnn.dataset.lines import even_batch_size
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.streams import Streams
from charrnn.errors import CheckpointError
from charrnn.model.forms import network_for
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.state import CorpusInfo, Counters, TrainingState
from charrnn.types import Params


def save_state(path: Path, state: TrainingState) -> None:
    """Writes the file. Raises `CheckpointError` if it can't be written."""
    with create_state_file(path, state) as file:
        file.commit()


def create_state_file(path: Path, state: TrainingState) -> AtomicFile:
    """The content of the file, to be committed."""
    s = state
    tensors = {"state": s.rnn_state}
    for group, arrays in (("params", s.params), ("best", s.best), ("moments", s.moments), ("ema", s.ema)):
        tensors |= {f"{group}.{name}": array for name, array in arrays.items()}
    metadata = {
        "model": asdict(s.model_config),
        "vocabulary": meta.vocabulary_to_json(s.vocabulary),
        "training": asdict(s.training_config),
        "corpus": asdict(s.corpus),
        "source": _source_to_json(s.source) if s.source else None,
        "history": meta.history_to_json(s.history),
        "rng": s.rng.bit_generator.state,
        "counters": asdict(s.counters),
        "run": s.run_id,
    }
    rows = s.rnn_state.shape[2]
    if s.training_config.layout == "lines" and rows != even_batch_size(
        s.corpus.training_lines, s.training_config.batch_size
    ):
        metadata["batch_rows"] = rows  # some lines are cut into several
    return create(path, tensors, metadata)


def load_state(path: Path) -> TrainingState:
    """Reads the file. Raises `CheckpointError` if it is missing, damaged, or does not fit its configuration."""
    if not path.exists():
        raise CheckpointError(f"there is no training to resume: {path} is missing")
    file = TensorFile(path)
    model_config, vocabulary = meta.read_model(file)
    config, corpus = meta.read_config(file, "training", TrainingConfig), meta.read_config(file, "corpus", CorpusInfo)
    counters, history = meta.read_config(file, "counters", Counters), meta.read_history(file)
    if counters.best_step not in (0, *(row.step for row in history)):
        raise file.damaged("counters")
    network = network_for(model_config, engines.load("numpy"))
    params = network.param_shapes
    ema = format_1.EMA_PREFIX if file.format == 1 else "ema."
    shapes = {f"params.{name}": shape for name, shape in params.items()}
    shapes |= {f"best.{name}": shape for name, shape in params.items() if history}
    shapes |= {f"{ema}{name}": shape for name, shape in params.items() if config.ema_decay}
    for moment in OPTIMIZERS[config.optimizer].moments:
        shapes |= {f"moments.{moment}.{name}": shape for name, shape in params.items()}
    shapes["state"] = network.state_shape(_batch_size(file, config, corpus, counters))
    tensors = file.tensors(shapes)

    def group(prefix: str) -> Params:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    return TrainingState(
        model_config,
        config,
        vocabulary,
        corpus,
        _read_source(file),
        params=group("params."),
        moments=group("moments."),
        ema=group(ema),
        rnn_state=tensors["state"],
        rng=file.generator("rng"),
        history=history,
        best=group("best."),
        counters=counters,
        run_id=meta.read_text(file, "run"),
    )


def _batch_size(file: TensorFile, config: TrainingConfig, corpus: CorpusInfo, counters: Counters) -> int:
    """The rows of a batch. Raises `CheckpointError` if the counters are not valid for a continuous text.

    For lines this check needs the corpus, so the trainer makes it.
    """
    if file.has("batch_rows"):
        rows = file.json("batch_rows")
        if config.layout != "lines" or type(rows) is not int or not 1 <= rows <= config.batch_size:
            raise file.damaged("batch_rows")
        return rows
    if config.layout != "stream":
        return even_batch_size(corpus.training_lines, config.batch_size)
    # Only the number of streams matters here, so an array that takes no memory stands in for the corpus
    ids = np.broadcast_to(np.uint8(0), corpus.training_chars)
    streams = Streams(ids, config.batch_size, config.seq_length)
    if not counters.is_valid_for(streams.steps_per_epoch, streams.n_orders):
        raise file.damaged("counters")
    return streams.batch_size


def _source_to_json(source: Source) -> dict[str, Any]:
    """The source as JSON data; without the form of its records if they are lines, as in older files."""
    data = {name: value for name, value in asdict(source).items() if name != "record_form"}
    return data if source.record_form.is_lines else data | {"record_form": source.record_form.to_json()}


def _read_source(file: TensorFile) -> Source | None:
    data = file.json("source")
    if data is None:
        return None
    try:
        columns = tuple(data.get("columns", ()))  # older files have none
        form = RecordForm.from_json(data.get("record_form", {}))
        source = Source(**(data | {"paths": tuple(data["paths"]), "columns": columns, "record_form": form}))
        texts = (*source.paths, source.encoding, source.errors, source.table, *columns)
        flags = isinstance(source.as_bytes, bool) and isinstance(source.skip_bad, bool)
        is_table = len(columns) == 2 if source.table in tables.TABLES else source.table == "conll" and not columns
        if all(isinstance(text, str) for text in texts) and flags and source.paths and (is_table or not source.table):
            return source
    except (TypeError, KeyError, AttributeError, ValueError):
        pass
    raise file.damaged("source")
