"""The checkpoint: a file with a model, fit to be shared, and one beside it with the state of its training."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from charrnn import engine as engines
from charrnn.config import Config, ModelConfig, TrainingConfig
from charrnn.dataset.files import Source
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.lines import even_batch_size
from charrnn.dataset.streams import Streams
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import Cell
from charrnn.errors import CheckpointError, ConfigError, VocabularyError
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.storage import Draft, Reader, draft, draft_path, set_aside, settle, tokens_aside
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.state import CorpusInfo, Counters, Evaluation, TrainingState
from charrnn.types import Array, Params

SUFFIX = ".safetensors"
RESUME_SUFFIX = ".resume.safetensors"
LONGEST = 1000
"""Characters of a text in the metadata, such as a version."""

Record = TypeVar("Record", bound=Config)


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


def resume_path(path: Path) -> Path:
    """Where the training state of the checkpoint `path` lies: beside it."""
    return path.with_name(path.name.removesuffix(SUFFIX) + RESUME_SUFFIX)


def newest(folder: Path) -> Path:
    """The checkpoint of a folder that was written last. Raises `CheckpointError` where there is none."""
    return _newest(folder, [path for path in folder.glob("*" + SUFFIX) if not path.name.endswith(RESUME_SUFFIX)])


def newest_resumable(folder: Path) -> Path:
    """The checkpoint whose training state was written last. Raises `CheckpointError` where there is none."""
    found = _newest(folder, list(folder.glob("*" + RESUME_SUFFIX)))
    return found.with_name(found.name.removesuffix(RESUME_SUFFIX) + SUFFIX)


def _newest(folder: Path, paths: list[Path]) -> Path:
    paths = [path for path in paths if path.is_file()]  # which what a link leads to may not be
    if not paths:
        raise CheckpointError(
            f"nothing is in {folder}{os.sep} yet: make a model with `charrnn train`, or name its file"
        )
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


# The model's file


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes the model's file. Raises `CheckpointError` where it can't be written."""
    with _draft(Path(path), checkpoint) as model:
        model.publish()


def _draft(path: Path, checkpoint: Checkpoint, like: Path | None = None) -> Draft:
    model, corpus, training = checkpoint.model, checkpoint.corpus, checkpoint.training
    metadata: dict[str, Any] = {"model": asdict(model.config), "vocabulary": _vocabulary_to_json(model.vocabulary)}
    if model.known is not None:
        metadata["records"] = model.known.to_json()
    if training is not None and corpus is not None:
        metadata |= {
            "step": checkpoint.step,
            "training": asdict(training),
            "seed": training.seed,
            "corpus": asdict(corpus),
            "split": {"training": corpus.training, "validation": corpus.validation},
            "history": _history_to_json(checkpoint.history),
            "run": checkpoint.run,
        }
    tensors = to_torch(model.params, model.config, network.cell_of(model.config, model.engine))
    return draft(path, tensors, metadata, like)


def load(path: str | Path, engine: str = "numpy") -> Checkpoint:
    """Reads a model's file, to be run by an engine, which `engine.resolve` knows.

    Raises `CheckpointError` where it is missing, damaged or not what it says it is.
    """
    file = Reader(Path(path))
    if file.has("position"):
        raise CheckpointError(f"{path} is the state of a training; its model lies beside it, without `.resume`")
    config, vocabulary = _model(file)
    loaded = engines.load(engines.resolve(engine))
    cell = network.cell_of(config, loaded)
    shapes = network.param_shapes(config, cell)
    blank = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    tensors = file.tensors({name: t.shape for name, t in _torch_views(blank, config, cell).items()})
    step = file.json("step") if file.has("step") else None
    if step is not None and (type(step) is not int or not 0 <= step <= 2**53):
        raise file.damaged("step")
    params = from_torch(tensors, config, cell)
    if not all(np.isfinite(p).all() for p in params.values()):
        raise CheckpointError(f"{path} is damaged: its biases add up to what is no number")
    return Checkpoint(
        Model(config, vocabulary, params, loaded, _known(file, vocabulary) if file.has("records") else None),
        step,
        _record(file, "training", TrainingConfig) if file.has("training") else None,
        _record(file, "corpus", CorpusInfo) if file.has("corpus") else None,
        _history(file) if file.has("history") else [],
        _text(file, "version"),
        _text(file, "run"),
    )


def to_torch(params: Params, config: ModelConfig, cell: Cell) -> Params:
    """The parameters as the state dict of a PyTorch module that has `rnn` and `decoder`."""
    return {name: np.ascontiguousarray(tensor) for name, tensor in _torch_views(params, config, cell).items()}


def _torch_views(params: Params, config: ModelConfig, cell: Cell) -> Params:
    """PyTorch's names and layouts: weights (out, in), and a second bias that only the GRU's b_hn has a use for."""
    tensors = {}
    for layer in range(config.layers):
        bias_hh = np.broadcast_to(np.zeros_like(params["b_out"], shape=()), params[f"b{layer}"].shape)
        if "b_hn" in cell.RECURRENT:
            b_hn = params[f"b_hn{layer}"]
            bias_hh = np.concatenate((bias_hh[: -len(b_hn)], b_hn))
        tensors[f"rnn.weight_ih_l{layer}"] = params[f"W_ih{layer}"].T
        tensors[f"rnn.weight_hh_l{layer}"] = params[f"W_hh{layer}"].T
        tensors[f"rnn.bias_ih_l{layer}"] = params[f"b{layer}"]
        tensors[f"rnn.bias_hh_l{layer}"] = bias_hh
    return tensors | {"decoder.weight": params["W_out"].T, "decoder.bias": params["b_out"]}


def from_torch(tensors: Mapping[str, Array], config: ModelConfig, cell: Cell) -> Params:
    """Undoes `to_torch`, whoever wrote the tensors: of two biases that are only ever added one is made."""
    params = {"W_out": tensors["decoder.weight"].T, "b_out": tensors["decoder.bias"]}
    for layer in range(config.layers):
        bias_hh = tensors[f"rnn.bias_hh_l{layer}"].copy()
        if "b_hn" in cell.RECURRENT:
            params[f"b_hn{layer}"] = bias_hh[-config.hidden_size :].copy()
            bias_hh[-config.hidden_size :] = 0
        params[f"W_ih{layer}"] = tensors[f"rnn.weight_ih_l{layer}"].T
        params[f"W_hh{layer}"] = tensors[f"rnn.weight_hh_l{layer}"].T
        with np.errstate(over="ignore"):
            params[f"b{layer}"] = tensors[f"rnn.bias_ih_l{layer}"] + bias_hh
    return {name: np.ascontiguousarray(params[name]) for name in network.param_shapes(config, cell)}


# The training's file


def save_snapshot(path: Path, snapshot: TrainingState) -> None:
    """Writes the state of a training. Raises `CheckpointError` where it can't be written."""
    with _draft_of_state(path, snapshot) as state:
        state.publish()


def _draft_of_state(path: Path, snapshot: TrainingState) -> Draft:
    s = snapshot
    tensors = {"state": s.state}
    for group, arrays in (("params", s.params), ("best", s.best), ("moments", s.moments), ("average", s.average)):
        tensors |= {f"{group}.{name}": array for name, array in arrays.items()}
    metadata = {
        "model": asdict(s.model),
        "vocabulary": _vocabulary_to_json(s.vocabulary),
        "training": asdict(s.training),
        "corpus": asdict(s.corpus),
        "source": asdict(s.source) if s.source else None,
        "history": _history_to_json(s.history),
        "rng": s.rng.bit_generator.state,
        "position": asdict(s.at),
        "run": s.run,
    }
    return draft(path, tensors, metadata)


def load_snapshot(path: Path) -> TrainingState:
    """Reads the state of a training. Raises `CheckpointError` where it is missing or not what it says it is."""
    if not path.exists():
        raise CheckpointError(f"there is no training to resume: {path} is missing")
    file = Reader(path)
    config, vocabulary = _model(file)
    training, corpus = _record(file, "training", TrainingConfig), _record(file, "corpus", CorpusInfo)
    position, history = _record(file, "position", Counters), _history(file)
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
        _text(file, "run"),
    )


def _rows(file: Reader, training: TrainingConfig, corpus: CorpusInfo, position: Counters) -> int:
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


# Both files


def save_both(path: Path, checkpoint: Checkpoint, snapshot: TrainingState) -> None:
    """Writes the model's file, and the state of its training beside it: both are on disk before either has its name.

    The state comes first. It holds all that the model's file does, so whatever happens between the two, what lies there
    belongs together, and a resumed run makes the model's file again. Raises `CheckpointError` where one of them can't
    be written.
    """
    _check_apart(path)
    state_path = resume_path(path)
    with _draft_of_state(state_path, snapshot) as state, _draft(path, checkpoint, like=state_path) as model:
        state.publish()
        model.publish()


def begin_both(path: Path, snapshot: TrainingState) -> None:
    """Writes the state of a training that begins; a model of another run that lies there goes.

    It never stands beside the new state: it is set aside before that has its name, and settled after. Raises
    `CheckpointError` where the state can't be written; all is as it was then.
    """
    _check_apart(path)
    with _draft_of_state(resume_path(path), snapshot) as state:
        try:
            set_aside(path, state.token)
            state.publish()
        finally:
            settle(path, state.token, state.temporary)


def settle_left(path: Path) -> None:
    """Removes or puts back a model that was set aside by a run which was killed as it began."""
    for token in tokens_aside(path):
        settle(path, token, draft_path(resume_path(path), token))


def _check_apart(path: Path) -> None:
    """Raises `CheckpointError` where model and state would be written over each other."""
    state = resume_path(path)
    if os.path.realpath(path) == os.path.realpath(state):
        raise CheckpointError(f"can't write {path}: by a link {state.name} is the same file; remove that")


def check_own(path: Path, run: str) -> None:
    """Raises `CheckpointError` where a file that a run is about to write is there, and isn't its own."""
    _check_apart(path)
    for each in (path, resume_path(path)):
        if not os.path.exists(each):
            continue
        try:
            own = _text(Reader(each), "run") == run
        except CheckpointError as error:
            raise CheckpointError(f"{error}; move it elsewhere, and this run makes its own again") from None
        if not own:
            raise CheckpointError(f"{each} is of another run: move it elsewhere, and this run makes its own again")


# The metadata that both have


def _text(file: Reader, key: str) -> str:
    """What is a text, and no long one, where it is written at all."""
    text = file.json(key) if file.has(key) else ""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise file.damaged(key)
    return text


def _model(file: Reader) -> tuple[ModelConfig, Vocabulary]:
    config, data = _record(file, "model", ModelConfig), file.json("vocabulary")
    if data != "bytes" and not isinstance(data, list):
        raise file.damaged("vocabulary")
    try:
        vocabulary = Vocabulary(None if data == "bytes" else data)
    except (VocabularyError, TypeError):
        raise file.damaged("vocabulary") from None
    if len(vocabulary) != config.vocab_size:
        raise file.damaged("vocabulary")
    return config, vocabulary


def _vocabulary_to_json(vocabulary: Vocabulary) -> list[str] | str:
    return "bytes" if vocabulary.is_bytes else list(vocabulary.characters)


def _known(file: Reader, vocabulary: Vocabulary) -> LineSet:
    try:
        known = LineSet.from_json(file.json("records"))
    except ValueError:
        raise file.damaged("records") from None
    if "\n" not in vocabulary.characters:
        raise file.damaged("vocabulary")
    return known


def _record(file: Reader, key: str, kind: type[Record]) -> Record:
    return _made(file, key, kind.from_dict, file.json(key))


def _history(file: Reader) -> list[Evaluation]:
    rows = file.json("history")
    if not isinstance(rows, list):
        raise file.damaged("history")
    return [_made(file, "history", Evaluation.from_dict, row) for row in rows]


def _history_to_json(rows: list[Evaluation]) -> list[dict[str, Any]]:
    return [vars(row) for row in rows]  # there may be many, and `asdict` takes ten times as long


def _made(file: Reader, key: str, make: Callable[[Any], Record], data: Any) -> Record:
    try:
        return make(data)
    except ConfigError as error:
        raise CheckpointError(f"{file.path} is damaged: in its {key!r}, {error}") from None


def _source(file: Reader) -> Source | None:
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
