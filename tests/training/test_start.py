"""The start of a training: corpora that are too short, and the weights of another model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.dataset.corpus import from_text
from charrnn.dataset.record_form import RecordForm
from charrnn.errors import ConfigError, CorpusError, DivergenceError, VocabularyError
from charrnn.model.model import Model
from charrnn.training import calibration
from charrnn.training.state import InitFrom
from charrnn.training.trainer import Trainer
from support.processes import TEXT
from support.trainings import TEXTS, flat, resumed, run, saved_bytes, start_in, start_on


@pytest.mark.parametrize("text", ["", "a", b"", b"a"])
def test_a_text_of_less_than_two_characters_is_refused(text: str | bytes) -> None:
    with pytest.raises(CorpusError, match="needs at least two characters"):
        start_on(text, steps=1)


@pytest.mark.parametrize("text", ["only one line", "\n\n\n\n", b"\n\n"])
def test_a_text_of_less_than_two_lines_is_refused_in_the_layout_lines(text: str | bytes) -> None:
    with pytest.raises(CorpusError, match="line"):
        start_on(text, layout="lines", steps=1)


def test_a_text_of_its_own_to_validate_on_leaves_nothing_to_spread() -> None:
    corpus = from_text(TEXT, val_text=TEXT[:500])
    with pytest.raises(ConfigError, match="val_spread is only for a corpus without a text of its own"):
        start_on(corpus, val_spread=True, steps=1)


# From the weights of another model


def test_it_starts_from_another_models_weights_and_leaves_them_alone() -> None:
    model = run(start_in("stream", steps=5)).latest
    before = flat(model.params).copy()
    trainer = start_on(TEXT[:200], init_from=model, steps=3, seed=2)
    np.testing.assert_array_equal(flat(trainer.state.params), before)
    assert trainer.state.vocabulary == model.vocabulary != from_text(TEXT[:200]).vocabulary
    assert (trainer.state.model_config.hidden_size, trainer.state.model_config.layers) == (16, 1)
    assert (flat(run(trainer).latest.params) != before).any()
    np.testing.assert_array_equal(flat(model.params), before)


def test_it_can_not_start_from_a_model_that_does_not_fit() -> None:
    model = run(start_in("stream", steps=1)).latest
    with pytest.raises(VocabularyError, match="as_bytes"):
        start_on(TEXT.encode(), init_from=model)
    for option in ({"cell": "gru"}, {"hidden_size": 32}, {"layers": 2}):
        with pytest.raises(ConfigError, match=r"the model of `init_from` has .*; leave it out"):
            start_on(TEXT, init_from=model, **option)
    assert start_on(TEXT, init_from=model, cell="lstm", hidden_size=16, layers=1, steps=1)


@pytest.mark.parametrize(("nonlinearity", "other"), [("tanh", "relu"), ("relu", "tanh")])
def test_the_nonlinearity_is_that_of_the_model_that_it_starts_from(nonlinearity: str, other: str) -> None:
    model = run(start_in("stream", cell="rnn", nonlinearity=nonlinearity, steps=2)).latest
    for given in ({}, {"nonlinearity": nonlinearity}, {"cell": "rnn"}):
        assert start_on(TEXT, init_from=model, steps=1, **given).latest.config.nonlinearity == nonlinearity
    with pytest.raises(
        ConfigError, match=f"nonlinearity can't be {other}: the model of `init_from` has {nonlinearity}"
    ):
        start_on(TEXT, init_from=model, nonlinearity=other)


def test_a_model_of_lines_can_start_from_one_of_continuous_text_and_the_other_way_round() -> None:
    names = TEXTS["lines"]
    tales = run(start_in("lines", names + "A tale, not a name: 1 2 3.", layout="stream", steps=3))
    trainer = start_in("lines", init_from=tales.latest, steps=2, dropout=0)
    assert (tales.latest.layout, tales.latest.line_set) == ("stream", None)
    assert run(trainer).latest.layout == "lines"
    assert trainer.latest.line_set is not None
    assert trainer.latest.vocabulary == tales.latest.vocabulary
    back = start_on(names, init_from=trainer.latest, steps=0)
    assert (back.latest.layout, back.latest.line_set) == ("stream", None)


def test_a_network_knows_only_the_characters_that_it_reads(tmp_path):
    trainer = start_in("tags", "ab\tXY\nba\tYX\n" * 30, steps=2)
    assert trainer.latest.vocabulary.characters == ("\t", "\n", "a", "b")
    assert trainer.latest.labels.names == ("X", "Y")
    assert trainer.state.model_config.vocab_size == 4
    trainer = start_in("labels", "ab\tXY\nba\tZ\nWWW\n" * 30, steps=2, skip_bad=True)
    assert trainer.latest.vocabulary.characters == ("\t", "\n", "a", "b")
    pairs = "ab\txy\nbad\nba\tyx\n" * 30
    trainer = start_in("pairs", pairs, steps=2, skip_bad=True)
    assert trainer.latest.vocabulary.characters == ("\t", "\n", *"abxy")
    run(trainer)
    again = resumed(trainer, pairs, tmp_path, steps=3)
    assert run(again).latest.vocabulary == trainer.latest.vocabulary


# Fine-tuning: the start is evaluated, and new characters are learned, left out or replaced


def evaluations(trainer: Trainer) -> list[tuple[int, float | None]]:
    return [(row.step, row.val_loss) for row in trainer.history]


def own_loss(model: Model, trainer: Trainer) -> float:
    """The mean loss of a model on the validation data of a training."""
    config = trainer.state.model_config
    with_dropout = replace(model, config=config)
    nats, n = (sum(x) for x in zip(*calibration.losses(with_dropout, trainer.validation_data), strict=True))
    return calibration.lowest(nats, calibration.temperatures(config))[0] / n


@pytest.mark.parametrize("layout", ["stream", "lines", "pairs", "translations", "tags"])
@pytest.mark.parametrize("dropout", [{}, {"dropout": 0.3, "locked_dropout": True, "drop_connect": 0.2}])
def test_the_first_evaluation_is_that_of_the_weights_it_starts_from(layout: str, dropout: dict[str, Any]) -> None:
    model = run(start_in(layout, steps=3)).latest
    trainer = run(start_in(layout, init_from=model, steps=4, eval_every=2, ema_decay=0.5, **dropout))
    assert [step for step, _ in evaluations(trainer)] == [0, 2, 4]
    assert trainer.history[0].val_loss == pytest.approx(own_loss(model, trainer), rel=1e-5)
    assert trainer.history[0].train_loss is None


@pytest.mark.parametrize("layout", ["stream", "lines", "labels", "tags", "translations"])
def test_the_start_is_kept_if_nothing_beats_it(layout: str, engine_name: str) -> None:
    model = run(start_in(layout, steps=20 if layout == "translations" else 3)).latest
    options = {"steps": 2, "eval_every": 1, "engine": engine_name} | ({"dropout": 0.0} if layout == "lines" else {})
    rate = {"optimizer": "sgd", "momentum": 0.0, "lr": 20.0, "clip": 1.0}
    alone = {"lm_weight": 0.0} if layout == "labels" else {}
    worse = run(start_in(layout, init_from=model, **options, **rate, **alone))
    started = start_in(layout, init_from=model, **options, **alone).state.params
    assert worse.best_step == 0
    assert min(row.rank for row in worse.history[1:]) > worse.history[0].rank
    for name in set(started) - {"W_out", "b_out"}:  # which a calibration changes
        np.testing.assert_array_equal(worse.best.params[name], started[name])
    same = run(start_in(layout, init_from=model, lr=0.0, **options))
    assert same.best_step == 0
    assert len({loss for _, loss in evaluations(same)}) == 1
    better = run(start_in(layout, init_from=model, lr=0.005, steps=30, eval_every=10, engine=engine_name))
    assert (better.best_step > 0) == (min(row.rank for row in better.history[1:]) < better.history[0].rank)
    assert better.best_step > 0


def test_without_validation_text_nothing_is_evaluated_first() -> None:
    model = run(start_in("stream", steps=1)).latest
    assert [row.step for row in run(start_in("stream", init_from=model, steps=2, val_fraction=0)).history] == [2]
    assert [row.step for row in run(start_in("stream", init_from=model, steps=0)).history] == [0]
    assert [row.step for row in run(start_in("stream", steps=2)).history] == [2]


def test_weights_without_a_finite_loss_are_refused_before_the_first_step() -> None:
    model = run(start_in("stream", steps=0)).latest
    huge = {name: np.float32(3e38) * np.sign(p) for name, p in model.params.items()}
    trainer = start_in("stream", init_from=replace(model, params=huge), steps=5)
    with pytest.raises(DivergenceError, match="has no finite loss on this text"):
        run(trainer)
    assert (trainer.state.counters.step, trainer.history) == (0, [])


def test_weights_that_are_sure_of_another_text_do_not_count_as_diverged() -> None:
    model = run(start_in("stream", steps=0)).latest
    wrong = {**model.params, "b_out": model.params["b_out"].copy()}
    wrong["b_out"][model.vocabulary.characters.index("e")] = -90
    wrong["b_out"][model.vocabulary.characters.index(" ")] = -90
    trainer = run(start_in("stream", init_from=replace(model, params=wrong), steps=2))
    assert trainer.history[0].rank > 2 + 2 * np.log(len(model.vocabulary))
    assert trainer.state.counters.rollbacks == 0


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("stream", "lines", "Ayr\nИрвин\nEly\n" * 40),
        ("stream", "pairs", "Ayr\tЯра\nEly\tИла\n" * 40),
        ("lines", "stream", "a tale → of seals. " * 40),
        ("pairs", "stream", "a tale → of seals. " * 40),
        ("pairs", "lines", "Ayr☃\nEly\n" * 40),
        ("translations", "translations", "Ayr\trуA\nEly\tylE\n" * 60),
        ("tags", "tags", "Ayr☃\t..vv\nEly\tv..\n" * 60),
    ],
)
def test_new_characters_are_learned_in_every_layout(
    old: str, new: str, text: str, engine_name: str, tmp_path: Path
) -> None:
    seen = "aeioyr telsf. " * 30 if old == "stream" else TEXTS[old]
    model = run(start_in(old, seen, steps=2, hidden_size=12, layers=1)).latest
    options = {"hidden_size": 12, "layers": 1, "engine": engine_name}
    trainer = start_in(new, text, init_from=model, steps=6, eval_every=2, **options)
    known, V = trainer.state.vocabulary.characters, len(model.vocabulary)
    assert known[:V] == model.vocabulary.characters
    read = text if new != "tags" else "".join(line.partition("\t")[0] for line in text.splitlines()) + "\t\n"
    assert set(known[V:]) == set(read) - set(known[:V])
    assert trainer.state.init_from == InitFrom("new", len(known) - V, 0)
    assert len(known) > V
    begun = flat(trainer.state.params)
    run(trainer)
    assert trainer.latest.layout == new
    assert (flat(trainer.state.params) != begun).any()
    whole = saved_bytes(trainer, tmp_path)
    part = start_in(new, text, init_from=model, steps=6, eval_every=2, **options)
    for progress in part:
        if progress.step == 3:
            break
    assert saved_bytes(run(resumed(part, text, tmp_path)), tmp_path) == whole


@pytest.mark.parametrize("unknown", ["skip", "nearest"])
@pytest.mark.parametrize("layout", ["stream", "lines", "pairs", "translations"])
def test_new_characters_are_left_out_or_replaced(layout: str, unknown: str, tmp_path: Path) -> None:
    model = run(start_in("stream", "abcdefg xyz-'" * 30, steps=2, hidden_size=12, layers=1)).latest
    text = {
        "stream": "bad Ж—áb face. " * 40,
        "lines": "báÁd\n—face\nЖ\n" * 40,
        "pairs": "bád\tdab—\nface\tÉcaf\n" * 40,
        "translations": "bád\tdab—\nface\tÉcaf\n" * 40,
    }[layout]
    if layout == "translations":
        model = run(start_in(layout, "abcdef\tfedc-\nxyz\tzyx\n" * 40, steps=1, hidden_size=12, layers=1)).latest
    options = {"hidden_size": 12, "layers": 1, "steps": 4, "eval_every": 2}
    trainer = start_in(layout, text, init_from=model, unknown=unknown, **options)
    vocabulary = trainer.state.vocabulary
    extra = {"stream": "", "lines": "\n", "pairs": "\t\n", "translations": ""}[layout]
    assert vocabulary.characters == (*model.vocabulary.characters, *extra)
    wanted, n = vocabulary.replace_unknown(text, unknown)
    assert n > 0
    assert trainer.state.init_from == InitFrom(unknown, len(extra), n)
    # it trains as on the text that has been replaced beforehand
    by_hand = run(start_in(layout, wanted, init_from=model, **options))
    np.testing.assert_array_equal(flat(run(trainer).state.params), flat(by_hand.state.params))
    part = start_in(layout, text, init_from=model, unknown=unknown, **options)
    for progress in part:
        if progress.step == 1:
            break
    whole = saved_bytes(trainer, tmp_path)
    assert saved_bytes(run(resumed(part, text, tmp_path)), tmp_path) == whole


def test_the_end_of_a_record_is_learned_when_other_new_characters_are_left_out() -> None:
    model = run(start_in("stream", "abcdefg xyz" * 30, steps=1, hidden_size=12, layers=1)).latest
    corpus = from_text("bad face\nЖ\n\n" * 40, record_form=RecordForm("blank"))
    trainer = start_on(corpus, layout="lines", init_from=model, unknown="skip", steps=1)
    assert trainer.state.vocabulary.characters == (*model.vocabulary.characters, "\x1e")
    assert trainer.state.corpus.training_lines + trainer.state.corpus.validation_lines == 40
    assert trainer.state.init_from == InitFrom("skip", 1, 80)


def test_what_can_not_be_left_out_is_told() -> None:
    model = run(start_in("stream", steps=1)).latest
    with pytest.raises(ConfigError, match="unknown is only for a run that starts from another model"):
        start_on(TEXT, unknown="skip")
    with pytest.raises(ConfigError, match="choose one of new, skip, nearest"):
        start_on(TEXT, init_from=model, unknown="error")
    with pytest.raises(CorpusError, match="fewer than two characters that the model knows"):
        start_on("ЖШЖШ" * 50, init_from=model, unknown="skip", steps=1)
    for layout in ("labels", "tags"):
        whole = run(start_in(layout, steps=0)).latest
        with pytest.raises(ConfigError, match=f"unknown skip is not for texts with {layout}"):
            start_in(layout, init_from=whole, unknown="skip", steps=1)
    bytes_model = run(start_in("stream", TEXT.encode(), steps=0)).latest
    for unknown in ("new", "skip", "nearest"):
        with pytest.raises(VocabularyError, match="as_bytes"):
            start_on(TEXT + "Ж", init_from=bytes_model, unknown=unknown, steps=0)
        with pytest.raises(VocabularyError, match="as_bytes"):
            start_on(TEXT.encode(), init_from=model, unknown=unknown, steps=0)
