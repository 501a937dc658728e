"""Format 1: its files are read, and their models and trainings do what the version that wrote them did."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import charrnn
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.checkpoint.paths import resume_path
from charrnn.checkpoint.tensor_file import FORMAT, TensorFile
from charrnn.checkpoint.training_file import load_state, save_state
from charrnn.config import ModelConfig, SamplingConfig, TrainingConfig
from charrnn.dataset.files import Source
from charrnn.inspection.summary import summary
from charrnn.model.network import Network
from charrnn.sampling.generate import TextGenerator
from charrnn.sampling.state import GenerationState
from charrnn.scoring.score import Score
from charrnn.training.state import CorpusInfo, Counters, Evaluation
from charrnn.types import Params
from support.checkpoints import ANYTHING, check_read_or_refused, load_error, parts_of, same_arrays, with_anything

FOLDER = Path(__file__).parent.parent / "fixtures" / "format1"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
NAMES = ["stream-lstm", "lines-gru", "bytes-rnn", "model-only"]
RESUMABLE = NAMES[:3]
TOLERANCE = 1e-5
"""Relative, of losses and norms: processors round differently."""


def model_path(name: str) -> Path:
    return FOLDER / f"{name}.safetensors"


def load(name: str, engine: str = "numpy") -> Checkpoint:
    return charrnn.load(model_path(name), engine)


def corpus_of(name: str) -> str | bytes:
    """The text that a model was trained on, as bytes for a model of bytes."""
    raw = (FOLDER / EXPECTED[name]["corpus"]).read_bytes()
    return raw if name == "bytes-rnn" else raw.decode()


def norms(arrays: Params) -> dict[str, float]:
    return {name: float(np.linalg.norm(array.astype(np.float64))) for name, array in arrays.items()}


def test_the_files_are_of_format_1() -> None:
    assert {TensorFile(path).format for path in FOLDER.glob("*.safetensors")} == {1}
    assert TensorFile(FOLDER / "chant.state").format == 1


# Models


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_described_as_before(name: str) -> None:
    checkpoint, wanted = load(name), EXPECTED[name]["summary"]
    assert checkpoint.model.config == model_config(wanted["model"])
    assert checkpoint.step == wanted["step"]
    assert checkpoint.training == (training_config(wanted["training"]) if wanted["training"] else None)
    assert checkpoint.corpus == (corpus_info(wanted["corpus"]) if wanted["corpus"] else None)
    assert checkpoint.history == [evaluation(row) for row in wanted["history"]]
    assert checkpoint.model.layout == ("lines" if name == "lines-gru" else "stream")
    found = summary(checkpoint)
    assert found["parameters"] == wanted["parameters"]
    assert {key: found["vocabulary"][key] for key in ("kind", "size")} == wanted["vocabulary"]
    assert {row["name"]: row["shape"] for row in found["tensors"]} == {
        tensor: row["shape"] for tensor, row in wanted["tensors"].items()
    }
    for row in found["tensors"]:
        assert row["norm"] == pytest.approx(wanted["tensors"][row["name"]]["norm"], rel=TOLERANCE)
    lines = wanted["records"] and {"longest": wanted["records"]["longest"], "lines": wanted["records"]["known"]}
    assert found["line_set"] == lines


# The settings of today, from those that format 1 had under other names


def model_config(settings: dict[str, Any]) -> ModelConfig:
    return ModelConfig(locked_dropout=settings["locked"], **without(settings, "locked"))


def training_config(settings: dict[str, Any]) -> TrainingConfig:
    layout = "lines" if settings["lines"] else "stream"
    return TrainingConfig(ema_decay=settings["average"], layout=layout, **without(settings, "average", "lines"))


def corpus_info(settings: dict[str, Any]) -> CorpusInfo:
    chars = {"training_chars": settings["training"], "validation_chars": settings["validation"]}
    return CorpusInfo(**chars, **without(settings, "training", "validation"))


def evaluation(settings: dict[str, Any]) -> Evaluation:
    return Evaluation(ema=settings["averaged"], **without(settings, "averaged"))


def counters(settings: dict[str, Any]) -> Counters:
    renamed = {"batch": settings["chunk"], "order": settings["offset"], "rollbacks": settings["tries"]}
    return Counters(**renamed, **without(settings, "chunk", "offset", "tries"))


def without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_scores_as_before(name: str, engine_name: str) -> None:
    model, text, wanted = load(name, engine_name).model, corpus_of(name), EXPECTED[name]
    lines = text.splitlines(keepends=True)
    scored = sum(charrnn.score_lines(model, lines, stateful=True), Score(0, 0.0))
    assert scored.chars == wanted["score"]["chars"]
    assert scored.nats_per_char == pytest.approx(wanted["score"]["nats_per_char"], rel=TOLERANCE)
    if not model.reads_lines:
        assert charrnn.score(model, text).nats_per_char == pytest.approx(scored.nats_per_char, rel=TOLERANCE)
    found = [score.nats_per_char for score in charrnn.score_lines(model, lines[:12])]
    assert found == pytest.approx(wanted["line_scores"], rel=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_writes_as_before(name: str, engine_name: str) -> None:
    wanted = EXPECTED[name]["sample"]
    options = {"length": wanted["length"], "seed": wanted["seed"], "config": SamplingConfig(temp=wanted["temp"])}
    assert "".join(charrnn.generate(load(name, engine_name).model, **options)) == wanted["text"]


@pytest.mark.parametrize("key", ["records", "novel"])
def test_a_model_of_lines_writes_and_recognises_lines_as_before(key: str, engine_name: str) -> None:
    model, wanted = load("lines-gru", engine_name).model, EXPECTED["lines-gru"]
    skip = {"novel": True, "unique": True} if key == "novel" else {}
    found = list(charrnn.sample_lines(model, count=12, seed=7, config=SamplingConfig(temp=0.8), **skip))
    assert [(line.text, line.seed) for line in found] == [(line["text"], line["seed"]) for line in wanted[key]]
    assert [line.logprob for line in found] == pytest.approx([line["logprob"] for line in wanted[key]], rel=TOLERANCE)
    lines, line_set = str(corpus_of("lines-gru")).splitlines(), model.line_set
    assert line_set is not None
    assert sum(line in line_set for line in lines) == wanted["known"]


def test_a_model_of_pytorch_computes_the_logits_of_pytorch() -> None:
    model, wanted = load("model-only").model, EXPECTED["model-only"]["torch_logits"]
    logits, _ = model.forward(model.vocabulary.encode(wanted["prime"])[:, None], model.zero_state(1))
    np.testing.assert_allclose(logits[-1, 0], wanted["last"], rtol=0, atol=1e-5)


def test_the_state_of_a_text_continues_as_before() -> None:
    model, wanted = load("stream-lstm").model, EXPECTED["chant.state"]
    config = SamplingConfig(temp=wanted["temp"], loop_penalty=wanted["penalty"])
    begun = TextGenerator(model, prime=wanted["prime"], length=60, seed=wanted["seed"], config=config)
    assert wanted["prime"] + "".join(begun) == wanted["text"]
    state = GenerationState.load(FOLDER / "chant.state", model)
    continued = TextGenerator(model, after=state, length=wanted["length"], config=config)
    assert "".join(continued) == wanted["goes_on"]


# Trainings


@pytest.mark.parametrize("name", RESUMABLE)
def test_a_training_state_is_as_before(name: str) -> None:
    state, wanted = load_state(resume_path(model_path(name))), EXPECTED[name]["resume"]["begins"]
    assert state.counters == counters(wanted["position"])
    assert state.run_id == wanted["run"]
    source = wanted["source"]
    expected = Source(**source | {"paths": tuple(source["paths"])}) if source else None
    # what is not there any more may have been a folder, and then the rules of that time hold
    assert state.source == (expected and replace(expected, separate_files=expected.is_one_file()))
    assert norms(state.params) == pytest.approx(wanted["norms"]["params"], rel=TOLERANCE)
    assert norms(state.best) == pytest.approx(wanted["norms"]["best"], rel=TOLERANCE)
    assert norms(state.moments) == pytest.approx(wanted["norms"]["moments"], rel=TOLERANCE)
    assert norms(state.ema) == pytest.approx(wanted["norms"].get("average", {}), rel=TOLERANCE)
    assert np.linalg.norm(state.rnn_state) == pytest.approx(wanted["norms"]["state"], rel=TOLERANCE)


class MasksOfBefore:
    """Locked masks of dropout for batches of two rows as they were drawn then: by the generator of the training."""

    def __init__(self, network: Network, rng: np.random.Generator):
        config = network.config

        def mask(*shape: int, dropped: float) -> Any:
            threshold = round(dropped * 65536)
            kept = rng.integers(65536, size=shape, dtype=np.uint16) >= threshold
            return kept * np.float32(65536 / (65536 - threshold))

        assert config.locked_dropout
        self.outputs = mask(config.layers, 1, 2, config.hidden_size, dropped=config.dropout)
        shapes = [network.param_shapes[f"W_hh{suffix}"] for suffix in network.suffixes]
        self.weights = [mask(*shape, dropped=config.drop_connect) for shape in shapes]

    @classmethod
    def draw(cls, network: Network, rng: np.random.Generator) -> "MasksOfBefore | None":
        return cls(network, rng) if network.config.dropout else None

    def of_outputs(self, T: int, B: int, rows: slice, *_: Any) -> Any:
        return self.outputs[:, :, rows]

    def drop_weights(self, n: int, W: np.ndarray, rows: slice, out: np.ndarray) -> None:
        out[rows] = W[rows] * self.weights[n][rows]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", RESUMABLE)
def test_a_training_continues_as_before(
    name: str, threads: int, engine_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.trainer.Masks", MasksOfBefore)
    path, wanted = tmp_path / "m.safetensors", EXPECTED[name]["resume"]
    shutil.copy(model_path(name), path)
    shutil.copy(resume_path(model_path(name)), resume_path(path))
    options = {"steps": wanted["steps"], "engine": engine_name, "threads": threads}
    run = charrnn.resume(path, corpus_of(name), **options)
    steps = [progress for progress in run if progress.chars]
    assert [progress.loss for progress in steps] == pytest.approx(wanted["losses"], rel=TOLERANCE)
    assert [progress.lr for progress in steps] == pytest.approx(wanted["rates"], rel=1e-12)
    for row, old in zip(run.history, map(evaluation, wanted["history"]), strict=True):
        assert (row.step, row.epoch, row.lr, row.ema) == (old.step, old.epoch, old.lr, old.ema)
        assert (row.train_loss, row.val_loss) == pytest.approx((old.train_loss, old.val_loss), rel=TOLERANCE)
    assert run.trainer.best_step == wanted["best_step"]
    state = load_state(resume_path(path))
    assert vars(state.training_config) == vars(training_config(wanted["training"])) | options
    position = counters(wanted["position"])
    assert vars(state.counters) == pytest.approx(vars(position), rel=TOLERANCE)
    for group, key in (("params", "params"), ("best", "best"), ("moments", "moments"), ("ema", "average")):
        found = norms(getattr(state, group))
        assert found == pytest.approx(wanted["norms"].get(key, {}), rel=1e-4), group
    assert np.linalg.norm(state.rnn_state) == pytest.approx(wanted["norms"]["state"], rel=1e-4)
    assert int(state.rng.integers(1 << 32)) == wanted["random"]
    for each in (path, resume_path(path)):
        assert TensorFile(each).format == FORMAT == 2


# Written again


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_is_written_again_is_of_todays_format(name: str, tmp_path: Path) -> None:
    checkpoint = load(name)
    charrnn.save(tmp_path / "m.safetensors", checkpoint)
    assert TensorFile(tmp_path / "m.safetensors").format == FORMAT == 2
    again = charrnn.load(tmp_path / "m.safetensors")
    assert same_arrays(again.model.params, checkpoint.model.params)
    assert (again.model.config, again.model.vocabulary) == (checkpoint.model.config, checkpoint.model.vocabulary)
    assert again.model.layout == checkpoint.model.layout
    assert (again.model.line_set is None) == (checkpoint.model.line_set is None)
    if again.model.line_set and checkpoint.model.line_set:
        assert again.model.line_set.to_json() == checkpoint.model.line_set.to_json()
    for field in ("step", "training", "corpus", "history", "run_id"):
        assert getattr(again, field) == getattr(checkpoint, field)
    metadata = parts_of(tmp_path / "m.safetensors")[1]
    assert "records" not in metadata
    assert "locked" not in json.loads(metadata["model"])


@pytest.mark.parametrize("name", RESUMABLE)
def test_a_training_state_that_is_written_again_is_of_todays_format(name: str, tmp_path: Path) -> None:
    state, path = load_state(resume_path(model_path(name))), tmp_path / "m.resume.safetensors"
    save_state(path, state)
    assert TensorFile(path).format == FORMAT == 2
    again = load_state(path)
    for field in ("model_config", "training_config", "vocabulary", "corpus", "source", "history", "counters", "run_id"):
        assert getattr(again, field) == getattr(state, field), field
    for field in ("params", "moments", "ema", "best"):
        assert same_arrays(getattr(again, field), getattr(state, field)), field
    assert again.rnn_state.tobytes() == state.rnn_state.tobytes()
    assert again.rng.bit_generator.state == state.rng.bit_generator.state
    assert not [tensor for tensor in parts_of(path)[0] if tensor.startswith("average.")]


# Older and hostile files


def test_files_from_before_there_was_a_layout_of_lines_are_read(tmp_path: Path) -> None:
    for source, load_file in (
        (model_path("stream-lstm"), charrnn.load),
        (resume_path(model_path("stream-lstm")), load_state),
    ):
        tensors, metadata = parts_of(source)
        training, corpus = (json.loads(metadata[key]) for key in ("training", "corpus"))
        del training["lines"], corpus["training_lines"], corpus["validation_lines"]
        older = metadata | {"training": json.dumps(training), "corpus": json.dumps(corpus)}
        save_file(tensors, tmp_path / "old.safetensors", older)
        found: Any = load_file(tmp_path / "old.safetensors")
        wanted: Any = load_file(source)
        name = "training" if isinstance(found, Checkpoint) else "training_config"
        assert getattr(found, name) == getattr(wanted, name)
        assert found.corpus == wanted.corpus


@pytest.mark.parametrize(
    ("kind", "key", "change"),
    [
        ("model", "model", {"locked_dropout": 1}),
        ("model", "model", {"locked": 1}),
        ("model", "training", {"lines": 1}),
        ("model", "training", {"lines": None}),
        ("model", "training", {"average": 1.0}),
        ("training", "training", {"lines": True}),
        ("training", "training", {"average": 0.0}),  # the file has averages
        ("training", "position", {"chunk": -1}),
        ("training", "position", {"chunk": 0.5}),
        ("training", "position", {"offset": 2**53}),
        ("training", "position", {"tries": -1}),
        ("training", "corpus", {"training": 1}),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused(kind: str, key: str, change: dict[str, Any], tmp_path: Path) -> None:
    path = model_path("stream-lstm")
    tensors, metadata = parts_of(path if kind == "model" else resume_path(path))
    changed = metadata | {key: json.dumps(json.loads(metadata[key]) | change)}
    save_file(tensors, tmp_path / "bad.safetensors", changed)
    load_error(kind, tmp_path / "bad.safetensors")


@pytest.mark.parametrize("name", RESUMABLE)
@settings(max_examples=100)
@given(kind=st.sampled_from(["model", "training"]), anything=ANYTHING, data=st.data())
def test_a_file_with_anything_in_its_metadata_is_read_or_refused(
    name: str, tmp_path_factory: pytest.TempPathFactory, kind: str, anything: Any, data: st.DataObject
) -> None:
    path = model_path(name) if kind == "model" else resume_path(model_path(name))
    tensors, metadata = parts_of(path)
    odd = tmp_path_factory.getbasetemp() / "odd.safetensors"
    save_file(tensors, odd, with_anything(metadata, anything, data))
    check_read_or_refused(kind, odd)
