"""The training's file: the state from which a run continues, bit for bit."""

from dataclasses import replace
from pathlib import Path

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
from charrnn.dataset.split import stream_training
from charrnn.dataset.text_form import DEFAULT_FORM
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.model.forms import network_for
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.state import CorpusInfo, Counters, InitFrom, TrainingState
from charrnn.types import Params


def save_state(path: Path, state: TrainingState) -> None:
    """Writes the file. Raises `CheckpointError` if it can't be written."""
    with create_state_file(path, state) as file:
        file.commit()


def create_state_file(path: Path, state: TrainingState) -> AtomicFile:
    """The content of the file, to be committed."""
    s = state
    tensors = {"state": s.rnn_state}
    for group, arrays in (
        ("params", s.params),
        ("best", s.best),
        ("moments", s.moments),
        ("ema", s.ema),
        ("outer", s.outer),
    ):
        tensors |= {f"{group}.{name}": array for name, array in arrays.items()}
    metadata = {
        "model": s.model_config.to_dict(),
        "vocabulary": meta.vocabulary_to_json(s.vocabulary),
        "training": s.training_config.to_dict(),
        "corpus": s.corpus.to_dict(),
        "source": s.source.to_json() if s.source else None,
        "history": meta.history_to_json(s.history),
        "rng": s.rng.bit_generator.state,
        "counters": s.counters.to_dict(),
        "run": s.run_id,
    } | meta.text_form_to_json(s.text_form)
    if s.init_from is not None:
        metadata["init_from"] = s.init_from.to_dict()
    rows = s.rnn_state.shape[2]
    if s.training_config.layout == "lines" and rows != even_batch_size(
        s.corpus.training_lines, s.training_config.batch_size
    ):
        metadata["batch_rows"] = rows  # some lines are cut into several
    return create(path, tensors, metadata)


def load_state(path: Path) -> TrainingState:
    """Reads the file. Raises `CheckpointError` if it is missing, damaged, or does not fit its configuration."""
    if not path.exists():
        raise CheckpointError(
            f"there is no training to resume: {path} is missing; a new one can begin with the model, by `init_from`"
        )
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
    if config.sync_every and config.outer_momentum:
        shapes |= {f"outer.{name}": shape for name, shape in params.items()}
    shapes["state"] = network.state_shape(_batch_size(file, config, corpus, counters))
    tensors = file.tensors(shapes)

    def group(prefix: str) -> Params:
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    source = _read_source(file)
    return TrainingState(
        model_config,
        config,
        vocabulary,
        corpus,
        source,
        params=group("params."),
        moments=group("moments."),
        ema=group(ema),
        rnn_state=tensors["state"],
        rng=file.generator("rng"),
        history=history,
        best=group("best."),
        counters=counters,
        run_id=meta.read_text(file, "run"),
        text_form=meta.read_text_form(file, DEFAULT_FORM if source is None else source.text_form.of_later_texts),
        init_from=meta.read_config(file, "init_from", InitFrom) if file.has("init_from") else None,
        outer=group("outer."),
    )


def load_origin(path: Path) -> tuple[CorpusInfo, Source | None]:
    """The corpus of a training, and where it was read from, without its tensors. Raises `CheckpointError`."""
    file = TensorFile(path)
    return meta.read_config(file, "corpus", CorpusInfo), _read_source(file)


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
    streams = stream_training(corpus.training_chars, corpus.validation_chars, config)
    if not counters.is_valid_for(streams.steps_per_epoch, streams.n_orders):
        raise file.damaged("counters")
    return streams.batch_size


def _read_source(file: TensorFile) -> Source | None:
    data = file.json("source")
    if data is None:
        return None
    try:
        lists = {name: tuple(data.get(name, ())) for name in ("columns", "val_paths", "include", "exclude")}
        columns = lists["columns"]  # older files have none of these
        records = RecordForm.from_json(data.get("record_form", {}))
        source = Source(**(data | {"paths": tuple(data["paths"]), "record_form": records} | lists))
        if "separate_files" not in data:  # then it doesn't matter, or the run began when files were not separate
            source = replace(source, separate_files=source.is_one_file())
        source.text_form  # noqa: B018 - raises an error for an unknown one
        of_lists = (text for texts in lists.values() for text in texts)
        texts = (*source.paths, source.encoding, source.errors, source.table, *of_lists)
        flags = all(isinstance(flag, bool) for flag in (source.as_bytes, source.skip_bad, source.separate_files))
        is_table = len(columns) == 2 if source.table in tables.TABLES else source.table == "conll" and not columns
        if all(isinstance(text, str) for text in texts) and flags and source.paths and (is_table or not source.table):
            return source
    except (TypeError, KeyError, AttributeError, ValueError, ConfigError, CorpusError):
        pass
    raise file.damaged("source")
