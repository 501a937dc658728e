"""Training on records: what it learns, what it validates on, and that it may be left and taken up like any other."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from support.trainings import files, run, taken_up

import charrnn
from charrnn import engine as engines
from charrnn.checkpoint import model_file, training_file
from charrnn.config import SamplingConfig
from charrnn.dataset import files
from charrnn.dataset.corpus import from_text
from charrnn.dataset.line_set import line_digests
from charrnn.dataset.split import split_corpus
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.model import network
from charrnn.training import options
from charrnn.training.trainer import Trainer, train

SMALL: dict[str, Any] = {
    "lines": True,
    "hidden_size": 12,
    "layers": 2,
    "batch_size": 10,
    "seq_length": 9,
    "dropout": 0.3,
    "schedule": "constant",
    "seed": 1,
    "engine": "numpy",
    "threads": 1,
}
"""Of chunks that most names are longer than."""
NAMES = "".join(
    Path(files.bundled_corpus()).with_name("names.txt").read_text(encoding="utf-8").splitlines(True)[3000:3200]
)
FIVE = ["Ashby de la Zouch", "Barrow-in-Furness", "Cleobury Mortimer", "Dunfermline-on-Sea", "Eglwysfach ar Ddyfi"]


def begun(text: str | bytes = NAMES, **options: Any) -> Trainer:
    return train(text, **(SMALL | options))


def held_out(training: Trainer) -> list[str]:
    """The lines that a training validates on."""
    s = training.state
    records = split_corpus(from_text(NAMES), s.training).held_out.batches.records  # type: ignore[attr-defined]
    return [NAMES[start : start + n] for start, n in zip(records.starts, records.lengths, strict=True)]


# It learns


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_five_names_are_learned_by_heart_and_written(cell: str, engine_name: str) -> None:
    options = {"cell": cell, "engine": engine_name, "hidden_size": 40, "layers": 1, "dropout": 0, "lr": 0.01}
    training = run(begun("\n".join(FIVE), seq_length=50, steps=200, **options))
    chars = sum(len(name) + 1 for name in FIVE)
    least = 5 * math.log(5) / chars  # which of the five it will be, nobody knows
    assert -sum(logprob(training, name) for name in FIVE) / chars < least + 0.01
    drawn = [record.text for record in charrnn.draw_records(training.latest, count=60, config=SamplingConfig(temp=0.4))]
    assert set(drawn) == set(FIVE)


def logprob(training: Trainer, line: str) -> float:
    return -charrnn.score(training.latest, line + "\n").nats


def test_names_longer_than_a_chunk_are_learned_too() -> None:
    training = run(begun("\n".join(FIVE), seq_length=7, hidden_size=40, layers=1, dropout=0, steps=700, lr=0.01))
    drawn = [record.text for record in charrnn.draw_records(training.latest, count=60, config=SamplingConfig(temp=0.4))]
    assert set(drawn) == set(FIVE)


def test_a_line_counts_as_often_as_it_stands() -> None:
    training = run(begun("ab\n" * 30 + "cd\n" * 10, steps=200, dropout=0, batch_size=40, lr=0.01, val_fraction=0))
    assert logprob(training, "ab") == pytest.approx(math.log(0.75), abs=0.05)
    assert logprob(training, "cd") == pytest.approx(math.log(0.25), abs=0.1)


# What a step is


def test_the_loss_of_a_step_is_that_of_its_records_alone(engine_name: str) -> None:
    training = begun(steps=45, lr=0, dropout=0, engine=engine_name, eval_every=100)
    streams, model = training.training_data, training.latest
    state, size, seen = model.zero_state(streams.rows), 0, 0
    for progress in training:
        if not progress.chars:
            continue
        chunk = streams.epoch(training.state.counters.offset)(seen % streams.chunks)
        state[:, :, chunk.afresh] = 0
        nats = 0.0
        for row in range(streams.rows):
            T, rows = int(chunk.real[:, row].sum()), slice(row, row + 1)
            if T:
                args = (chunk.inputs[:T, rows], chunk.targets[:T, rows], state[:, :, rows], model.config)
                loss, state[:, :, rows] = network.loss(model.params, *args, model.engine)
                nats += loss
        assert progress.loss == pytest.approx(nats / chunk.chars, rel=1e-5)
        assert progress.chars == chunk.chars
        size, seen = size + chunk.chars, seen + 1
        if seen % streams.chunks == 0:
            assert size == streams.size
            size = 0
    assert seen == 45 > streams.chunks


def test_every_character_of_an_epoch_weighs_the_same() -> None:
    options = {"optimizer": "sgd", "momentum": 0, "clip": 0, "dropout": 0, "seq_length": 60, "val_fraction": 0}
    training = begun(lr=1e-4, epochs=1, **options)
    before = {name: p.astype(np.float64) for name, p in training.state.params.items()}
    streams, numpy = training.training_data, engines.load("numpy")
    wanted = {name: np.zeros_like(p) for name, p in before.items()}
    run(training)
    chunk_of = streams.epoch(training.state.counters.offset)
    for k in range(streams.chunks):
        chunk = chunk_of(k)
        state = network.zero_state(training.state.model_config, numpy, streams.rows, np.float64)
        _, grads, _ = network.loss_and_gradients(
            before, chunk.inputs, chunk.targets, state, training.state.model_config, numpy, real=chunk.real
        )
        for name, d in grads.items():
            wanted[name] += d * streams.chunks / streams.size
    for name, p in training.state.params.items():
        np.testing.assert_allclose((before[name] - p) / 1e-4, wanted[name], rtol=0.05, atol=0.01, err_msg=name)


def test_an_epoch_has_as_many_steps_as_it_has_chunks() -> None:
    training = run(begun(epochs=3))
    assert training.state.counters.step == 3 * training.training_data.chunks
    assert (training.state.counters.epoch, training.state.counters.chunk) == (3, 0)


def test_the_training_loss_of_an_epoch_is_that_of_all_its_characters() -> None:
    training = begun(epochs=1, lr=0, dropout=0)
    losses = [(p.loss * p.chars, p.chars) for p in training if p.chars]
    nats, chars = (sum(part) for part in zip(*losses, strict=True))
    assert training.history[-1].train_loss == pytest.approx(nats / chars)


# Validation


def test_validation_reads_every_record_from_a_fresh_state(engine_name: str) -> None:
    training = run(begun(steps=30, engine=engine_name))
    names = held_out(training)
    assert len(names) == training.state.corpus.validation_lines == 20
    nats = -sum(logprob(training, name) for name in names)
    chars = sum(len(name) + 1 for name in names)
    assert chars == training.state.corpus.validation
    assert training.history[-1].val_loss == pytest.approx(nats / chars, rel=1e-5)


def test_a_text_and_its_duplicates_are_validated_honestly() -> None:
    training = begun(NAMES * 3, val_fraction=0.2)
    records = training.training_data.records, training.validation_data.batches.records  # type: ignore[attr-defined]
    learned, apart = (set(part.digests.tolist()) for part in records)
    assert not learned & apart
    assert len(learned) + len(apart) == 200
    assert len(records[1]) == 120


def test_few_lines_are_all_learned() -> None:
    training = run(begun("\n".join(FIVE), steps=3))
    corpus_record = training.state.corpus
    assert (corpus_record.training_lines, corpus_record.validation_lines, corpus_record.validation) == (5, 0, 0)
    assert training.history[-1].val_loss is None
    assert training.best_step == 3


# It follows from its seed, and can be left and taken up


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bytes(threads: int, engine_name: str, tmp_path: Path) -> None:
    first, again = (files(run(begun(steps=40, threads=threads, engine=engine_name)), tmp_path) for _ in range(2))
    assert first == again


def test_two_threads_agree_with_one_to_rounding(engine_name: str) -> None:
    one, two = (run(begun(steps=40, threads=threads, engine=engine_name)).state for threads in (1, 2))
    for name, p in one.params.items():
        np.testing.assert_allclose(p, two.params[name], rtol=1e-3, atol=1e-4)


def test_another_seed_holds_out_others_and_reads_in_another_order() -> None:
    one, other = begun(steps=1), begun(steps=1, seed=2)
    assert set(held_out(one)) != set(held_out(other))
    assert run(one).state.counters.offset != run(other).state.counters.offset


@pytest.mark.parametrize("steps", [0, 1, 7, 18, 29, 30, 44])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_some_steps_and_the_rest_equal_all_at_once(steps: int, cell: str, engine_name: str, tmp_path: Path) -> None:
    options = {"cell": cell, "engine": engine_name, "eval_every": 7}
    whole = run(begun(steps=80, **options))
    assert 20 < whole.streams.chunks < 40, "the borders of epochs are passed, and names are cut"
    part = run(begun(steps=steps, **options))
    assert part.state.counters.step == steps
    assert files(run(taken_up(part, NAMES, tmp_path, steps=80)), tmp_path) == files(whole, tmp_path)


LEFT = {"steps": 60, "schedule": "cosine", "threads": 2, "eval_every": 11}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tuple[bytes, bytes], int]]:
    """The files of a training that was never left, and how often it yields."""
    training = begun(**LEFT)
    yields = sum(1 for _ in training)
    return files(training, tmp_path_factory.mktemp("uninterrupted")), yields


@hypothesis(deadline=None, max_examples=15)
@given(data=st.data())
def test_it_may_be_left_at_any_yield(
    uninterrupted: tuple[tuple[bytes, bytes], int], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    expected, yields = uninterrupted
    folder, training = tmp_path_factory.mktemp("left"), begun(**LEFT)
    for left_after in sorted(data.draw(st.lists(st.integers(1, yields), min_size=1, max_size=3))):
        for n, _ in enumerate(training, 1):
            if n == left_after:
                break
        training = taken_up(training, NAMES, folder)
    assert files(run(training), folder) == expected


def test_lines_can_not_become_running_text_on_the_way(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lines is True in the training to resume"):
        taken_up(run(begun(steps=2)), NAMES, tmp_path, lines=False)
    with pytest.raises(ConfigError, match="lines is False in the training to resume"):
        taken_up(run(begun(steps=2, lines=False)), NAMES, tmp_path, lines=True)
    assert taken_up(run(begun(steps=2)), NAMES, tmp_path, lines=True)


@pytest.mark.parametrize(
    "change", [{"chunk": 1}, {"epoch": 1}, {"step": 6}, {"offset": 1 << 53}, {"chunk": 99, "step": 99}], ids=str
)
def test_a_place_that_is_none_in_the_corpus_is_refused(change: dict[str, int]) -> None:
    training = run(begun(steps=5))
    assert training.state.counters.chunk == 5
    for name, value in change.items():
        setattr(training.state.counters, name, value)
    with pytest.raises(CheckpointError, match="damaged"):
        Trainer(from_text(NAMES), training.state)


def test_a_state_of_other_rows_is_refused() -> None:
    snapshot = run(begun(steps=5)).state
    snapshot.state = snapshot.state[:, :, 1:]
    with pytest.raises(CheckpointError, match="damaged"):
        Trainer(from_text(NAMES), snapshot)


# Corpora and other models


@pytest.mark.parametrize("text", ["one line only", "\n\n\n\n", b"\n\n"])
def test_too_few_lines_are_refused(text: str | bytes) -> None:
    with pytest.raises(CorpusError, match="line"):
        train(text, lines=True, steps=1)


@pytest.mark.parametrize("text", ["щука\nрак\nлебедь\n" * 20, "щука\nрак\r\nлебедь".encode() * 9])
def test_all_alphabets_and_bytes_train(text: str | bytes) -> None:
    training = run(begun(text, steps=60, dropout=0, lr=0.01))
    assert training.latest.vocabulary.is_bytes == isinstance(text, bytes)
    for record in charrnn.draw_records(training.latest, count=20, config=SamplingConfig(temp=0.5)):
        assert "\n" not in record.text
    assert training.history[-1].train_loss < 3


def test_it_may_start_from_a_model_of_running_text() -> None:
    tales = run(begun(NAMES + "A tale, not a name: 1 2 3.", lines=False, steps=3))
    training = begun(init_from=tales.latest, steps=2, dropout=0, hidden_size=12)
    assert tales.latest.known is None
    assert run(training).latest.known is not None
    assert training.latest.vocabulary == tales.latest.vocabulary
    assert train(NAMES, init_from=training.latest, steps=0, lines=False).latest.known is None


# The recipe


def test_the_recipe_counts_the_steps_of_records() -> None:
    text = from_text(NAMES)
    _, config = options.plan(text, {"lines": True, "epochs": 7, "seed": 1})
    assert config.steps == 7 * split_corpus(text, config).learned.chunks


# What the files carry


def test_the_model_knows_its_lines_again_and_the_training_needs_no_such_thing(tmp_path: Path) -> None:
    training = run(begun(steps=3))
    files(training, tmp_path)
    saved = model_file.load(tmp_path / "m.safetensors")
    known = saved.model.line_set
    assert known is not None
    assert known.digests.tolist() == sorted(line_digests(NAMES.splitlines()).tolist())
    assert all(name in known for name in NAMES.splitlines())
    assert known.longest == max(map(len, NAMES.splitlines()))
    assert saved.training.lines
    assert (saved.corpus.training_lines, saved.corpus.validation_lines) == (180, 20)
    model_file.save(tmp_path / "again", saved)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m.safetensors").read_bytes()
    found = training_file.load_state(tmp_path / "m.resume.safetensors")
    assert found.at == training.state.counters
    assert found.state.tobytes() == training.state.rnn_state.tobytes()


def test_a_model_of_running_text_knows_no_lines(tmp_path: Path) -> None:
    files(run(begun(lines=False, steps=3)), tmp_path)
    assert model_file.load(tmp_path / "m.safetensors").model.line_set is None
    assert b'"records"' not in (tmp_path / "m.safetensors").read_bytes()
