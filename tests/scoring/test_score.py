"""The scorer: its numbers are those of the naive twins and of a real code; lines keep their order, texts their sums."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import VERSE, run_of
from hypothesis import given
from hypothesis import strategies as st
from support import coder, naive

import charrnn
from charrnn.config import ModelConfig
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError, DivergenceError, VocabularyError
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.scoring import lines as scoring
from charrnn.scoring.lines import score_batches, score_lines
from charrnn.scoring.score import Score, score, stream_surprisal, surprisal

LINES = ["a bad cab\n", "\n", "", "dead\n", "é\n", "a cab" * 9 + "\n", "b" * 40, "ace\n", "\n", "bed"]


def random_model(cell="lstm", characters="\n abcdeé", engine=None, layers=2):
    """A model whose predictions are far from even, and whose state forgets rounding errors instead of growing them."""
    vocabulary, rng = Vocabulary(characters), np.random.default_rng(3)
    model = Model(
        ModelConfig(len(vocabulary), cell, 12, layers), vocabulary, {}, **({"engine": engine} if engine else {})
    )
    shapes = network.param_shapes(model.config, network.cell_of(model.config, model.engine))
    scales = {name: 0.15 if name.startswith("W_hh") else 1.0 for name in shapes}
    params = {name: rng.normal(scale=scales[name], size=shape).astype(np.float32) for name, shape in shapes.items()}
    return replace(model, params=params)


def naive_surprises(model, text):
    """-log p of every character, by the equations, character by character, in float64."""
    ids = model.vocabulary.encode(text)
    if not len(ids):
        return np.zeros(0)
    params = {name: p.astype(np.float64) for name, p in model.params.items()}
    inputs = np.concatenate(([model.vocabulary.start], ids[:-1]))[:, None]
    state = model.zero_state(1).astype(np.float64)
    logits, _ = naive.network(params, inputs, state, model.config.cell, model.config.layers)
    return np.array([-naive.log_softmax(logits[t, 0])[v] for t, v in enumerate(ids)])


def nats(scores):
    return [score.nats for score in scores]


# The proof: a text can be written down in as many bits, and read again


@pytest.fixture(scope="module")
def cyrillic():
    return run_of("съешь же ещё этих мягких французских булок\nда выпей чаю\n" * 20)


@pytest.mark.parametrize("kind", ["ascii", "cyrillic", "bytes"])
def test_a_text_is_coded_in_as_many_bits_as_its_score_says(engine, kind, request):
    training, text = {
        "ascii": ("trained", "the rat sat on the cat; who sat on the mat?\n" * 12),
        "cyrillic": ("cyrillic", "да выпей чаю же\nещё этих мягких мягких\n" * 12),
        "bytes": ("trained_on_bytes", "рак и щука ".encode() * 20 + bytes(range(256))),
    }[kind]
    model = replace(request.getfixturevalue(training).best, engine=engine)
    code = coder.encode(model, text)
    assert coder.decode(model, code, len(text)) == model.vocabulary.encode(text).tolist()
    found = score(model, text)
    assert found.chars == len(text)
    assert len(code) == pytest.approx(found.bpc * found.chars / 8, abs=3)  # bytes


# A text


@pytest.mark.parametrize("cell", naive.CELLS)
def test_surprises_are_those_of_the_naive_twin(engine, cell, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 7)
    model, text = random_model(cell, engine=engine), "a bad cab\n\né dead bee"
    found, wanted = surprisal(model, text), naive_surprises(model, text)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    whole = score(model, text)
    assert (whole.chars, whole.unknown) == (len(text), 0)
    assert whole.nats == pytest.approx(wanted.sum(), rel=1e-6)
    assert whole.nats_per_char == pytest.approx(wanted.mean(), rel=1e-6)
    assert whole.bpc == pytest.approx(wanted.mean() / math.log(2), rel=1e-6)
    assert whole.perplexity == pytest.approx(math.exp(wanted.mean()), rel=1e-6)


@given(st.lists(st.text("\n abcdeé", max_size=6)))
def test_a_text_in_pieces_is_scored_as_the_whole(pieces):
    model, text = random_model(layers=1), "".join(pieces)
    found = list(stream_surprisal(model, pieces))
    assert [*map(len, found)] == [*map(len, pieces)]
    np.testing.assert_allclose(np.concatenate([np.zeros(0), *found]), surprisal(model, text), rtol=1e-5, atol=1e-6)
    if text:
        assert score(model, pieces).nats == pytest.approx(score(model, text).nats, rel=1e-6)


def test_pieces_are_scored_as_they_come():
    asked = []

    def pieces():
        for piece in ("a bad", " cab"):
            asked.append(piece)
            yield piece

    scored = stream_surprisal(random_model(), pieces())
    assert len(next(scored)) == 5
    assert asked == ["a bad"]


def test_surprises_of_bytes_are_of_bytes():
    model = random_model(characters=None)
    assert len(surprisal(model, "é")) == 2
    np.testing.assert_array_equal(surprisal(model, "é\udcff"), surprisal(model, "é".encode() + b"\xff"))


@pytest.mark.parametrize("text", ["", b"", [], ["", ""]])
def test_there_is_no_score_of_nothing(text):
    with pytest.raises(CorpusError, match="it is empty"):
        score(random_model(), text)
    assert len(surprisal(random_model(), "")) == 0


# Lines


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("cell", naive.CELLS)
def test_lines_are_scored_as_texts_of_their_own_in_their_order(engine, cell, threads, monkeypatch):
    monkeypatch.setattr(scoring, "AT_ONCE", 10)
    monkeypatch.setattr(scoring, "ROWS", 3)
    model = random_model(cell, engine=engine)
    found = list(score_lines(model, LINES, threads=threads))
    assert [score.chars for score in found] == [*map(len, LINES)]
    assert nats(found) == pytest.approx([naive_surprises(model, line).sum() for line in LINES], rel=1e-5)


def test_carried_lines_are_scored_after_those_before_them(engine, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK", 10)
    monkeypatch.setattr(scoring, "BATCH", 4)
    model = random_model(engine=engine)
    found = list(score_lines(model, LINES, carry=True))
    wanted = naive_surprises(model, "".join(LINES))
    ends = np.cumsum([*map(len, LINES)]).tolist()
    assert [score.chars for score in found] == [*map(len, LINES)]
    assert nats(found) == pytest.approx([wanted[a:b].sum() for a, b in itertools.pairwise([0, *ends])], rel=1e-5)
    assert sum(found, Score(0, 0.0)).nats == pytest.approx(score(model, "".join(LINES)).nats, rel=1e-6)
    fresh = nats(score_lines(model, LINES))
    assert fresh[0] == pytest.approx(found[0].nats, rel=1e-5)
    assert fresh[3] != pytest.approx(found[3].nats, rel=1e-2)


@given(st.lists(st.text("\n abcdeé", max_size=30), max_size=40), st.randoms(use_true_random=False))
def test_a_line_has_its_score_wherever_it_stands(lines, random):
    model, shuffled = random_model(layers=1), random.sample(range(len(lines)), len(lines))
    found = nats(score_lines(model, lines))
    assert nats(score_lines(model, [lines[n] for n in shuffled])) == pytest.approx(
        [found[n] for n in shuffled], rel=1e-5
    )


def test_with_the_compiled_engine_a_score_is_the_same_to_the_bit_in_any_company(monkeypatch):
    numba = pytest.importorskip("numba") and charrnn.engine.load("numba")
    model, lines = random_model(engine=numba), [*LINES, "a bad cab\né " * 30]
    alone = [next(score_lines(model, [line])) for line in lines]
    assert list(score_lines(model, lines)) == alone
    monkeypatch.setattr(scoring, "AT_ONCE", 10)
    assert list(score_lines(model, lines * 20, threads=2)) == alone * 20


@pytest.mark.parametrize("carry", [False, True])
def test_each_batch_is_scored_before_the_next_is_asked_for(carry):
    asked = []

    def batches():
        for batch in (LINES[:3], [], LINES[3:]):
            asked.append(batch)
            yield batch

    scored = score_batches(random_model(), batches(), carry=carry)
    for number, length in enumerate((3, 0, len(LINES) - 3), 1):
        assert len(next(scored)) == length
        assert len(asked) == number
    assert list(scored) == []


def test_lines_without_end_are_scored_without_end():
    model = random_model()
    endless = score_lines(model, itertools.cycle(LINES))
    found = list(itertools.islice(endless, 2500))
    assert nats(found) == pytest.approx((nats(score_lines(model, LINES)) * 250)[:2500], rel=1e-5)


@pytest.mark.parametrize("carry", [False, True])
def test_an_empty_line_is_its_end_and_nothing_is_nothing(carry):
    model = random_model()
    for empty in ([], [""], ["", ""]):
        assert list(score_lines(model, empty, carry=carry)) == [Score(0, 0.0)] * len(empty)
    assert (Score(0, 0.0).nats_per_char, Score(0, 0.0).bpc, Score(0, 0.0).perplexity) == (0, 0, 1)
    (end,) = score_lines(model, ["\n"], carry=carry)
    assert (end.chars, end.nats) == (1, pytest.approx(naive_surprises(model, "\n").sum(), rel=1e-5))


def test_lines_may_be_bytes():
    for model in (random_model(), random_model(characters=None)):
        assert list(score_lines(model, [line.encode() for line in LINES])) == list(score_lines(model, LINES))


# Characters that are not known


def test_a_line_of_unknown_characters_is_named_after_the_scores_of_those_before(monkeypatch):
    monkeypatch.setattr(scoring, "BATCH", 4)
    model, lines = random_model(), ["ab\n", "", "b\n", "a\n", "ace\n", "aж, z\n", "q\n"]
    for carry in (False, True):
        found = []
        with pytest.raises(VocabularyError, match=r"line 6: the model has never seen ',' \(U\+002C.*U\+0436"):
            found.extend(score_lines(model, lines, carry=carry))
        assert nats(found) == pytest.approx(nats(score_lines(model, lines[:5], carry=carry)), rel=1e-5)


def test_no_bytes_stand_for_a_surrogate():
    with pytest.raises(VocabularyError, match=r"line 2: no bytes stand for U\+D800"):
        list(score_lines(random_model(characters=None), ["a", "\ud800"]))


def test_unknown_characters_can_be_left_out_as_if_they_were_not_there():
    model, text = random_model(), "жa bжad cabж\nж"
    found = surprisal(model, text, unknown="skip")
    known = np.array([c != "ж" for c in text])
    np.testing.assert_array_equal(np.isnan(found), ~known)
    np.testing.assert_array_equal(found[known], surprisal(model, "a bad cab\n"))
    assert score(model, text, unknown="skip") == replace(score(model, "a bad cab\n"), unknown=4)
    lines, known_lines = [text, "ж", "", "abж"], ["a bad cab\n", "", "", "ab"]
    for carry in (False, True):
        wanted = score_lines(model, known_lines, carry=carry)
        wanted = [replace(score, unknown=n) for score, n in zip(wanted, (4, 1, 0, 1), strict=True)]
        assert list(score_lines(model, lines, carry=carry, unknown="skip")) == wanted
    with pytest.raises(CorpusError, match="none of its characters"):
        score(model, "жж", unknown="skip")


def test_other_ways_to_treat_them_are_refused():
    with pytest.raises(ConfigError, match="unknown can't be 'replace'"):
        score(random_model(), "a", unknown="replace")
    with pytest.raises(ConfigError, match="unknown can't be 'replace'"):
        score_lines(random_model(), "a", unknown="replace")
    with pytest.raises(ConfigError, match="threads must be at least 1"):
        score_lines(random_model(), "a", threads=0)


# Scores as numbers


@given(st.lists(st.builds(Score, st.integers(1, 99), st.floats(0, 1e3), st.integers(0, 9)), min_size=1))
def test_scores_add_up(scores):
    total = sum(scores, Score(0, 0.0))
    assert (total.chars, total.unknown) == (sum(s.chars for s in scores), sum(s.unknown for s in scores))
    assert total.nats_per_char * total.chars == pytest.approx(sum(s.nats_per_char * s.chars for s in scores))


def test_a_fair_choice_among_eight_is_three_bits():
    fair = Score(10, 10 * math.log(8), 2)
    assert (fair.bpc, fair.perplexity) == (pytest.approx(3), pytest.approx(8))
    assert list(fair.as_dict()) == ["unknown", "chars", "nats_per_char", "bpc", "perplexity"]
    assert fair.as_dict()["unknown"] == 2


def test_a_perplexity_beyond_all_numbers_is_none_in_json():
    assert Score(1, 1e4).perplexity == math.inf
    assert json.loads(json.dumps(Score(1, 1e4).as_dict(), allow_nan=False))["perplexity"] is None


def test_a_model_whose_predictions_are_no_numbers_has_no_scores():
    model = random_model()
    huge = replace(model, params={name: p * np.float32(1e38) for name, p in model.params.items()})
    for scored in (surprisal, score, lambda model, text: list(score_lines(model, [text] * 100, threads=2))):
        with pytest.raises(DivergenceError, match="weights are too large"):
            scored(huge, "a bad cab")


# The face of the package, and the model's own way there


def test_a_model_scores_as_the_package_does(trained):
    model = trained.best
    assert model.score("the cat") == charrnn.score(model, "the cat")
    assert list(model.score_lines(["the cat\n"] * 3)) == list(charrnn.score_lines(model, ["the cat\n"] * 3))
    assert isinstance(model.score("the cat"), charrnn.Score)
    assert "".join(model.generate(length=50, seed=3)) == "".join(charrnn.generate(model, length=50, seed=3))
    assert charrnn.token_nll(model, "the cat").sum() == pytest.approx(model.score("the cat").nats)


def test_a_model_ranks_what_it_has_learned_before_what_it_has_not(trained):
    learned, strange = VERSE.splitlines(keepends=True)[0], "tac eht on tas tar eht\n"
    scores = list(score_lines(trained.best, [strange, learned]))
    assert scores[1].bpc < 0.9 * scores[0].bpc
