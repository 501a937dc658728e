"""The resize: new characters begin as the mean of the old ones, whose predictions stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

from charrnn.dataset.batch import Batch
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine import load
from charrnn.errors import VocabularyError
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model
from charrnn.model.resize import resize
from support.cells import CELLS, cell_options
from support.random_models import random_model
from support.trainings import run, start_in

OLD, NEW = "\n abcdeé", "Жz😀"


def resized(model: Model, new: str = NEW, records: RecordForm = LINES) -> Model:
    vocabulary = model.vocabulary.extended(new)
    params = resize(model, vocabulary, records.end)
    config = replace(model.config, vocab_size=len(vocabulary))
    return replace(model, config=config, vocabulary=vocabulary, params=params, record_form=records)


@pytest.mark.parametrize("cell", CELLS)
def test_the_logits_of_the_old_characters_stay_as_they_are(cell: str, engine_name: str) -> None:
    model = random_model(cell, OLD, load(engine_name))
    larger, V = resized(model), len(OLD)
    ids = np.random.default_rng(1).integers(0, V, (40, 3))
    before, state = model.forward(ids, model.zero_state(3))
    after, new_state = larger.forward(ids, larger.zero_state(3))
    assert after.shape == (40, 3, V + len(NEW))
    np.testing.assert_allclose(after[..., :V], before, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(new_state, state, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(log_softmax(after[..., :V]), log_softmax(before), rtol=1e-5, atol=2e-5)
    # the logit of each new character is the mean of the old ones: it is never likelier than they are on average
    for v in range(V, V + len(NEW)):
        np.testing.assert_allclose(after[..., v], before.mean(axis=-1), rtol=1e-4, atol=1e-4)
    assert (np.exp(log_softmax(after))[..., V:] <= 1 / V).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_new_character_is_read_as_the_mean_of_the_old_ones(cell: str) -> None:
    model = random_model(cell, OLD)
    larger, V = resized(model), len(OLD)
    for name, p in larger.params.items():
        old = model.params[name]
        if name == "W_ih0":
            np.testing.assert_array_equal(p[:V], old)
            np.testing.assert_allclose(p[V:], np.broadcast_to(old.mean(axis=0), p[V:].shape), rtol=1e-5, atol=1e-6)
        elif name in ("W_out", "b_out"):
            np.testing.assert_array_equal(p[..., :V], old)
        else:
            assert p is old
        assert p.dtype == np.float32
    assert larger.params.keys() == model.params.keys()
    assert {name: p.shape for name, p in larger.params.items()} == larger.network.param_shapes


@pytest.mark.parametrize(("old", "start"), [(" abc", " "), ("abc", "a"), ("xy z", " ")])
def test_a_text_begins_as_before_if_the_newline_is_new(old: str, start: str) -> None:
    model = random_model(characters=old)
    larger = resized(model, "\nЖ")
    assert larger.vocabulary.characters[larger.vocabulary.start] == "\n"
    row = larger.params["W_ih0"][larger.vocabulary.start]
    np.testing.assert_array_equal(row, model.params["W_ih0"][old.index(start)])
    first, second = (
        each.forward(np.array([[each.vocabulary.start]]), each.zero_state(1))[0][..., : len(old)]
        for each in (model, larger)
    )
    np.testing.assert_allclose(second, first, rtol=1e-5, atol=1e-5)


def test_the_first_record_begins_as_a_text_did() -> None:
    model, records = random_model(characters=OLD), RecordForm("blank")
    larger = resized(model, records.end + "Ж", records)
    assert (larger.start, model.start) == (len(OLD), OLD.index("\n"))
    np.testing.assert_array_equal(larger.params["W_ih0"][larger.start], model.params["W_ih0"][model.start])
    again = resized(larger, "Д", RecordForm("documents"))
    assert resize(again, again.vocabulary) is again.params
    np.testing.assert_array_equal(again.params["W_ih0"][again.start], model.params["W_ih0"][model.start])


def test_without_new_characters_nothing_changes() -> None:
    model = random_model()
    assert resize(model, model.vocabulary) is model.params


@pytest.mark.parametrize("layout", ["labels", "tags", "translations"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_networks_of_whole_texts_read_old_texts_as_before(layout: str, cell: str, engine_name: str) -> None:
    model = run(start_in(layout, steps=2, engine=engine_name, **cell_options(cell))).latest
    larger, V = resized(model, "ЖД"), len(model.vocabulary)
    rng = np.random.default_rng(2)
    texts, targets = rng.integers(0, V, (9, 4)), rng.integers(0, model.params["W_out"].shape[1], (1, 4))
    n_outputs = larger.params["W_out"].shape[1]
    assert n_outputs == model.params["W_out"].shape[1] + 2 * (layout == "translations")
    lengths = np.array([9, 3, 5, 1])
    if layout == "tags":
        targets = np.repeat(targets, 9, axis=0)
    batch = Batch(texts, targets, lengths=lengths)
    if layout == "translations":
        others = (targets + 1) % V
        nats = [
            [
                each.network.token_nll(each.params, Batch(targets, t, sources=texts, lengths=lengths))
                for t in (targets, others)
            ]
            for each in (model, larger)
        ]
        # so much likelier than another old character is each one as before, and all lose the same share to the new ones
        np.testing.assert_allclose(nats[1][1] - nats[1][0], nats[0][1] - nats[0][0], rtol=1e-4, atol=1e-5)
        lost = nats[1][0] - nats[0][0]
        assert (lost > 0).all()
        assert (lost <= -np.log1p(-2 / (V + 2)) + 1e-5).all()
        return
    losses = [each.network.loss(each.params, batch, each.zero_state(4))[0] for each in (model, larger)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_vocabulary_keeps_its_ids_and_refuses_what_it_has() -> None:
    vocabulary = Vocabulary("ba").extended("xc")
    assert vocabulary.characters == ("b", "a", "x", "c")
    with pytest.raises(VocabularyError, match="twice"):
        vocabulary.extended("a")
