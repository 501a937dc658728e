"""The scores are those of the naive equations and of a real code; lines keep their order, and parts add up."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.errors import ConfigError, CorpusError, DivergenceError, VocabularyError
from charrnn.model import line_losses
from charrnn.scoring import lines as line_scores
from charrnn.scoring import score as text_scores
from charrnn.scoring.lines import score_batches, score_lines
from charrnn.scoring.score import Score, stream_surprisal, surprisal
from charrnn.scoring.text import score
from support import coder, naive, random_models
from support.cells import CELLS
from support.trainings import VERSE, run, run_of, start_in

LINES = ["a bad cab\n", "\n", "", "dead\n", "é\n", "a cab" * 9 + "\n", "b" * 40, "ace\n", "\n", "bed"]


def random_model(cell="lstm", characters="\n abcdeé", engine=None, layers=2):
    return random_models.random_model(cell, characters, engine, layers, hidden_size=12)


def naive_surprisal(model, text):
    """-log p of each character, from the naive equations in float64."""
    ids = model.vocabulary.encode(text)
    if not len(ids):
        return np.zeros(0)
    params = {name: p.astype(np.float64) for name, p in model.params.items()}
    inputs = np.concatenate(([model.vocabulary.start], ids[:-1]))[:, None]
    state = model.zero_state(1).astype(np.float64)
    logits, _ = naive.network(params, inputs, state, model.config.cell_name, model.config.layers)
    return np.array([-naive.log_softmax(logits[t, 0])[v] for t, v in enumerate(ids)])


def nats(scores):
    return [score.nats for score in scores]


# The proof: a text can be encoded in as many bits, and decoded again


@pytest.fixture(scope="module")
def cyrillic():
    return run_of("съешь же ещё этих мягких французских булок\nда выпей чаю\n" * 20)


@pytest.mark.parametrize("kind", ["ascii", "cyrillic", "bytes"])
def test_a_text_is_encoded_in_as_many_bits_as_its_score_says(engine, kind, request):
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


@pytest.mark.parametrize("cell", CELLS)
def test_the_surprisal_is_that_of_the_naive_equations(engine, cell, monkeypatch):
    monkeypatch.setattr(text_scores, "CHARS_PER_READ", 7)
    model, text = random_model(cell, engine=engine), "a bad cab\n\né dead bee"
    found, wanted = surprisal(model, text), naive_surprisal(model, text)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    whole = score(model, text)
    assert (whole.chars, whole.unknown) == (len(text), 0)
    assert whole.nats == pytest.approx(wanted.sum(), rel=1e-6)
    assert whole.nats_per_char == pytest.approx(wanted.mean(), rel=1e-6)
    assert whole.bpc == pytest.approx(wanted.mean() / math.log(2), rel=1e-6)
    assert whole.perplexity == pytest.approx(math.exp(wanted.mean()), rel=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_score_is_the_loss_of_the_naive_network(engine, cell):
    model = random_models.random_model(cell, engine=engine)
    text = "a bad cab\né😀"
    targets = model.vocabulary.encode(text)[:, None]
    inputs = np.concatenate(([[model.vocabulary.start]], targets[:-1]))
    doubles = {name: p.astype(np.float64) for name, p in model.params.items()}
    logits, _ = naive.network(doubles, inputs, model.zero_state(1).astype(np.float64), cell, 2)
    found = score(model, text)
    assert found.chars == len(text)
    assert found.nats == pytest.approx(naive.loss(logits, targets), rel=1e-5)
    assert found.nats_per_char == found.nats / len(text)
    assert found.bpc == pytest.approx(found.nats / len(text) / math.log(2))


def test_a_text_in_several_reads_is_scored_as_in_one(monkeypatch):
    model, text = random_models.random_model(), "a bad cab\né😀" * 7
    whole = score(model, text)
    monkeypatch.setattr(text_scores, "CHARS_PER_READ", 10)
    assert score(model, text).nats == pytest.approx(whole.nats, rel=1e-6)


@given(st.lists(st.text("\n abcdeé", max_size=6)))
def test_a_text_in_pieces_is_scored_as_the_whole(pieces):
    model, text = random_model(layers=1), "".join(pieces)
    found = list(stream_surprisal(model, pieces))
    assert [*map(len, found)] == [*map(len, pieces)]
    np.testing.assert_allclose(np.concatenate([np.zeros(0), *found]), surprisal(model, text), rtol=1e-5, atol=1e-6)
    if text:
        assert score(model, pieces).nats == pytest.approx(score(model, text).nats, rel=1e-6)


def test_each_piece_is_scored_before_the_next_is_asked_for():
    asked = []

    def pieces():
        for piece in ("a bad", " cab"):
            asked.append(piece)
            yield piece

    scored = stream_surprisal(random_model(), pieces())
    assert len(next(scored)) == 5
    assert asked == ["a bad"]


def test_a_model_of_bytes_gives_the_surprisal_of_each_byte():
    model = random_model(characters=None)
    assert len(surprisal(model, "é")) == 2
    np.testing.assert_array_equal(surprisal(model, "é\udcff"), surprisal(model, "é".encode() + b"\xff"))


@pytest.mark.parametrize("text", ["", b"", [], ["", ""]])
def test_an_empty_text_has_no_score(text):
    with pytest.raises(CorpusError, match="it is empty"):
        score(random_model(), text)
    assert len(surprisal(random_model(), "")) == 0


# Lines


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_lines_are_scored_as_texts_of_their_own_in_their_order(engine, cell, threads, monkeypatch):
    monkeypatch.setattr(line_losses, "CHARS_PER_CALL", 10)
    monkeypatch.setattr(line_losses, "MAX_ROWS", 3)
    model = random_model(cell, engine=engine)
    found = list(score_lines(model, LINES, threads=threads))
    assert [score.chars for score in found] == [*map(len, LINES)]
    assert nats(found) == pytest.approx([naive_surprisal(model, line).sum() for line in LINES], rel=1e-5)


def test_stateful_lines_are_scored_after_those_before_them(engine, monkeypatch):
    monkeypatch.setattr(text_scores, "CHARS_PER_READ", 10)
    monkeypatch.setattr(line_scores, "LINES_PER_BATCH", 4)
    model = random_model(engine=engine)
    found = list(score_lines(model, LINES, stateful=True))
    wanted = naive_surprisal(model, "".join(LINES))
    ends = np.cumsum([*map(len, LINES)]).tolist()
    assert [score.chars for score in found] == [*map(len, LINES)]
    assert nats(found) == pytest.approx([wanted[a:b].sum() for a, b in itertools.pairwise([0, *ends])], rel=1e-5)
    assert sum(found, Score(0, 0.0)).nats == pytest.approx(score(model, "".join(LINES)).nats, rel=1e-6)
    fresh = nats(score_lines(model, LINES))
    assert fresh[0] == pytest.approx(found[0].nats, rel=1e-5)
    assert fresh[3] != pytest.approx(found[3].nats, rel=1e-2)


@given(st.lists(st.text("\n abcdeé", max_size=30), max_size=40), st.randoms(use_true_random=False))
def test_a_line_has_the_same_score_at_any_place(lines, random):
    model, shuffled = random_model(layers=1), random.sample(range(len(lines)), len(lines))
    found = nats(score_lines(model, lines))
    assert nats(score_lines(model, [lines[n] for n in shuffled])) == pytest.approx(
        [found[n] for n in shuffled], rel=1e-5
    )


def test_with_the_compiled_engine_a_score_is_bit_for_bit_the_same_in_any_batch(monkeypatch):
    numba = pytest.importorskip("numba") and charrnn.engine.load("numba")
    model, lines = random_model(engine=numba), [*LINES, "a bad cab\né " * 30]
    alone = [next(score_lines(model, [line])) for line in lines]
    assert list(score_lines(model, lines)) == alone
    monkeypatch.setattr(line_losses, "CHARS_PER_CALL", 10)
    assert list(score_lines(model, lines * 20, threads=2)) == alone * 20


@pytest.mark.parametrize("stateful", [False, True])
def test_each_batch_is_scored_before_the_next_is_asked_for(stateful):
    asked = []

    def batches():
        for batch in (LINES[:3], [], LINES[3:]):
            asked.append(batch)
            yield batch

    scored = score_batches(random_model(), batches(), stateful=stateful)
    for number, length in enumerate((3, 0, len(LINES) - 3), 1):
        assert len(next(scored)) == length
        assert len(asked) == number
    assert list(scored) == []


def test_an_endless_stream_of_lines_is_scored_as_it_comes():
    model = random_model()
    endless = score_lines(model, itertools.cycle(LINES))
    found = list(itertools.islice(endless, 2500))
    assert nats(found) == pytest.approx((nats(score_lines(model, LINES)) * 250)[:2500], rel=1e-5)


@pytest.mark.parametrize("stateful", [False, True])
def test_an_empty_line_has_the_score_of_its_newline_and_an_empty_text_0(stateful):
    model = random_model()
    for empty in ([], [""], ["", ""]):
        assert list(score_lines(model, empty, stateful=stateful)) == [Score(0, 0.0)] * len(empty)
    assert (Score(0, 0.0).nats_per_char, Score(0, 0.0).bpc, Score(0, 0.0).perplexity) == (0, 0, 1)
    (end,) = score_lines(model, ["\n"], stateful=stateful)
    assert (end.chars, end.nats) == (1, pytest.approx(naive_surprisal(model, "\n").sum(), rel=1e-5))


def test_lines_may_be_bytes():
    for model in (random_model(), random_model(characters=None)):
        assert list(score_lines(model, [line.encode() for line in LINES])) == list(score_lines(model, LINES))


# Unknown characters


def test_an_error_names_the_line_after_the_scores_of_the_lines_before_it(monkeypatch):
    monkeypatch.setattr(line_scores, "LINES_PER_BATCH", 4)
    model, lines = random_model(), ["ab\n", "", "b\n", "a\n", "ace\n", "aж, z\n", "q\n"]
    for stateful in (False, True):
        found = []
        with pytest.raises(VocabularyError, match=r"line 6: the model has never seen ',' \(U\+002C.*U\+0436"):
            found.extend(score_lines(model, lines, stateful=stateful, unknown="error"))
        assert nats(found) == pytest.approx(nats(score_lines(model, lines[:5], stateful=stateful)), rel=1e-5)


def test_a_text_with_unknown_characters_is_an_error():
    for function in (score, surprisal):
        with pytest.raises(VocabularyError, match=r"U\+007A"):
            function(random_model(), "abz")


def test_a_surrogate_has_no_bytes():
    with pytest.raises(VocabularyError, match=r"line 2: U\+D800 can't be encoded"):
        list(score_lines(random_model(characters=None), ["a", "\ud800"]))


def test_skipped_characters_count_as_if_they_were_not_there():
    model, text = random_model(), "жa bжad cabж\nж"
    found = surprisal(model, text, unknown="skip")
    known = np.array([c != "ж" for c in text])
    np.testing.assert_array_equal(np.isnan(found), ~known)
    np.testing.assert_array_equal(found[known], surprisal(model, "a bad cab\n"))
    assert score(model, text, unknown="skip") == replace(score(model, "a bad cab\n"), unknown=4)
    lines, known_lines = [text, "ж", "", "abж"], ["a bad cab\n", "", "", "ab"]
    for stateful in (False, True):
        wanted = score_lines(model, known_lines, stateful=stateful)
        wanted = [replace(score, unknown=n) for score, n in zip(wanted, (4, 1, 0, 1), strict=True)]
        assert list(score_lines(model, lines, stateful=stateful, unknown="skip")) == wanted
    with pytest.raises(CorpusError, match="none of its characters"):
        score(model, "жж", unknown="skip")


def counted(model, known, n):
    """The score of a text of known characters and n unknown ones, by the definition."""
    alone = score(model, known) if known else Score(0, 0.0)
    return Score(alone.chars + n, pytest.approx(alone.nats + n * model.unseen_nats, rel=1e-5), n)


@pytest.mark.parametrize(("rare", "chars", "bits"), [(3, 3 * 2**14, 14), (1, 2**20, 20), (0, 2**10, 10), (5, 9, 3)])
def test_a_counted_character_costs_its_estimate_but_no_less_than_a_uniform_guess(rare, chars, bits):
    model = replace(random_model(), unseen=UnseenEstimate(rare, chars))
    assert model.unseen_nats / math.log(2) == pytest.approx(bits)
    assert score(model, "a baжd cжab", unknown="count") == counted(model, "a bad cab", 2)
    found = surprisal(model, "a baжd", unknown="count")
    assert found[4] == pytest.approx(model.unseen_nats)
    np.testing.assert_array_equal(np.delete(found, 4), surprisal(model, "a bad"))


def test_a_model_without_an_estimate_takes_a_uniform_guess():
    assert random_model().unseen_nats == pytest.approx(math.log(8))


def test_counted_characters_add_to_the_scores_of_lines_and_leave_the_state_as_it_is():
    model = replace(random_model(), unseen=UnseenEstimate(2, 2**12))
    lines, known = (
        ["жa bжad cab\n", "ж", "", "dead\n", "abж", "\ud800\udcff"],
        ["a bad cab\n", "", "", "dead\n", "ab", ""],
    )
    missing = (2, 1, 0, 0, 1, 2)
    wanted = [counted(model, line, n) for line, n in zip(known, missing, strict=True)]
    assert list(score_lines(model, lines)) == list(score_lines(model, lines, unknown="count")) == wanted
    stateful = list(score_lines(model, lines, stateful=True))
    assert [s.chars for s in stateful] == [*map(len, lines)]
    alone = nats(score_lines(model, known, stateful=True))
    cost = model.unseen_nats
    assert nats(stateful) == pytest.approx([n + m * cost for n, m in zip(alone, missing, strict=True)], rel=1e-5)
    whole = sum(stateful, Score(0, 0.0))
    assert score(model, lines, unknown="count") == replace(whole, nats=pytest.approx(whole.nats, rel=1e-5))


def test_a_text_of_unknown_characters_alone_has_a_score_if_they_count():
    model = random_model()
    assert score(model, "жж", unknown="count").bpc == pytest.approx(3)


@pytest.mark.parametrize("layout", ["pairs", "translations"])
def test_of_a_pair_only_the_unknown_characters_of_the_target_count(layout):
    model = run(start_in(layout, steps=3)).best
    cost = model.unseen_nats
    lines = ["ab\tcd\n", "aжb\tcd\n", "ab\tcжжd\n", "жж\tжcdж\n", "ab\tЖ", "ab", "Ж", "aЖ\t", "ж\t\tж\n"]
    known = ["ab\tcd\n", "ab\tcd\n", "ab\tcd\n", "\tcd\n", "ab\t", "ab", "", "a\t", "\t\t\n"]
    costs = (0, 0, 2, 2, 1, 0, 0, 0, 1)
    found, alone = list(score_lines(model, lines)), list(score_lines(model, known))
    assert [s.chars for s in found] == [s.chars + n for s, n in zip(alone, costs, strict=True)]
    assert nats(found) == pytest.approx([s.nats + n * cost for s, n in zip(alone, costs, strict=True)], rel=1e-5)
    assert [s.unknown for s in found] == [0, 1, 2, 4, 1, 0, 1, 1, 2]


def test_a_model_of_bytes_has_seen_all_of_them():
    model = random_model(characters=None)
    for unknown in ("error", "skip", "count"):
        assert score(model, "\udcffж", unknown=unknown) == score(model, "\udcffж")


def test_unknown_policies_and_a_number_of_threads_below_1_are_errors():
    with pytest.raises(ConfigError, match="unknown can't be 'replace'"):
        score(random_model(), "a", unknown="replace")
    with pytest.raises(ConfigError, match="unknown can't be 'replace'"):
        score_lines(random_model(), ["a"], unknown="replace")
    with pytest.raises(ConfigError, match="threads must be from 1 to 4096"):
        score_lines(random_model(), ["a"], threads=0)


@pytest.mark.parametrize(
    ("function", "given", "why"),
    [
        (score_lines, "abc", "score_lines takes several texts: give a list of them, not a single text"),
        (score_lines, ["a", None], "score_lines takes texts, and number 2 is None"),
        (score, None, "score takes a text or its pieces, not None"),
        (score, ["a", 3], "a text is of the type str or bytes, not int"),
        (surprisal, None, "a text is of the type str or bytes, not NoneType"),
    ],
)
def test_what_is_no_text_can_not_be_scored(function, given, why):
    with pytest.raises(ConfigError, match=f"^{why}$"):
        list(function(random_model(), given))


# Scores


@given(st.lists(st.builds(Score, st.integers(1, 99), st.floats(0, 1e3), st.integers(0, 9)), min_size=1))
def test_the_scores_of_parts_add_up(scores):
    total = sum(scores, Score(0, 0.0))
    assert (total.chars, total.unknown) == (sum(s.chars for s in scores), sum(s.unknown for s in scores))
    assert total.nats_per_char * total.chars == pytest.approx(sum(s.nats_per_char * s.chars for s in scores))


def test_eight_equally_likely_characters_are_three_bits():
    fair = Score(10, 10 * math.log(8), 2)
    assert (fair.bpc, fair.perplexity) == (pytest.approx(3), pytest.approx(8))
    assert list(fair.as_dict()) == ["unknown", "chars", "nats_per_char", "bpc", "perplexity"]
    assert fair.as_dict()["unknown"] == 2


def test_an_infinite_perplexity_is_null_in_json():
    assert Score(1, 1e4).perplexity == math.inf
    assert json.loads(json.dumps(Score(1, 1e4).as_dict(), allow_nan=False))["perplexity"] is None


def test_predictions_that_are_nan_or_infinite_are_an_error():
    model = random_model()
    huge = replace(model, params={name: p * np.float32(1e38) for name, p in model.params.items()})
    for scored in (surprisal, score, lambda model, text: list(score_lines(model, [text] * 100, threads=2))):
        with pytest.raises(DivergenceError, match="weights are too large"):
            scored(huge, "a bad cab")


# The package


def test_the_package_offers_these_functions(trained):
    model = trained.best
    assert charrnn.score(model, "the cat") == score(model, "the cat")
    assert list(charrnn.score_lines(model, ["the cat\n"] * 3)) == list(score_lines(model, ["the cat\n"] * 3))
    assert isinstance(charrnn.score(model, "the cat"), charrnn.Score)
    assert charrnn.surprisal(model, "the cat").sum() == pytest.approx(score(model, "the cat").nats)


# A trained model


def test_a_trained_model_predicts_its_own_text_better_than_another(trained):
    model = trained.best
    assert score(model, "the cat sat on the mat").bpc < 0.8 * score(model, "tam eht no tas tac eht").bpc
    assert score(model, "the cat sat on the mat").bpc < 0.8 * math.log2(len(model.vocabulary))


def test_a_trained_model_predicts_a_training_line_better_than_another(trained):
    learned, other = VERSE.splitlines(keepends=True)[0], "tac eht on tas tar eht\n"
    scores = list(score_lines(trained.best, [other, learned]))
    assert scores[1].bpc < 0.9 * scores[0].bpc


# Records


@pytest.mark.parametrize("characters", ["\0\n abcdeé\x1e", None])
def test_the_score_of_a_text_of_records_is_the_sum_of_theirs(characters):
    form = RecordForm("text", "\n--\n")
    model = random_models.random_model(characters=characters, layout="lines", record_form=form)
    texts = ["a bad\ncab é", "\0a\0b\0c\0d", " dead", "e"]
    wanted = sum(score_lines(model, [f"{text}\x1e" for text in texts]), Score(0, 0.0))
    for pieces in ("\n--\n".join(texts), [*"\n--\n".join(texts)], ["\n--\n".join(texts).encode()]):
        assert score(model, pieces) == wanted
    if characters:
        assert score(model, [*"\r\n--\r\n".join(texts)]) == wanted
    with pytest.raises(VocabularyError, match=r"U\+D800"):
        score(model, "a\n--\n\ud800")


# Lines


@pytest.mark.parametrize("characters", ["\n abcdeé", None])
def test_the_score_of_a_text_of_lines_is_the_sum_of_theirs_each_on_its_own(engine, characters):
    model = random_models.random_model("gru", characters, engine, layout="lines")
    for lines in (["a bad cab\n", "dead\n", "é bed\n"], ["ace\n", "\n", "\n", "bé"], ["e\n"]):
        text = "".join(lines)
        wanted = sum((score(replace(model, layout="stream"), line) for line in lines), Score(0, 0.0))
        for pieces in (text, [*text], text.encode(), [text.encode()[:3], text.encode()[3:]]):
            found = score(model, pieces)
            assert (found.chars, found.nats) == (wanted.chars, pytest.approx(wanted.nats, rel=1e-5))
        alone = np.concatenate([surprisal(replace(model, layout="stream"), line) for line in lines])
        np.testing.assert_allclose(surprisal(model, text), alone, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.concatenate([*stream_surprisal(model, [*text])]), alone, rtol=1e-5, atol=1e-6)
        stateful = sum(score_lines(model, lines, stateful=True), Score(0, 0.0))
        assert stateful.nats == pytest.approx(score(replace(model, layout="stream"), text).nats, rel=1e-5)


def test_an_unknown_character_costs_as_much_in_a_text_of_lines_as_in_its_line():
    model, lines = random_models.random_model(layout="lines"), ["a жb\n", "cжжd", "\n"]
    for unknown in ("skip", "count"):
        wanted = sum(score_lines(model, ["a жb\n", "cжжd\n"], unknown=unknown), Score(0, 0.0))
        assert score(model, lines, unknown=unknown) == wanted
        assert wanted.unknown == 3
    with pytest.raises(VocabularyError, match=r"line 1: .*'ж'"):
        score(model, lines)


@pytest.mark.parametrize("layout", ["lines", "pairs", "translations"])
def test_the_score_of_the_held_out_lines_is_the_validation_loss(layout):
    trainer = run(start_in(layout, steps=12, eval_every=6))
    lines, vocabulary = trainer.validation_data.lines, trainer.state.vocabulary
    places = zip(lines.starts.tolist(), lines.lengths.tolist(), strict=True)
    text = "".join(vocabulary.decode(lines.ids[start : start + n]) + "\n" for start, n in places)
    assert trainer.history[-1].val_loss == pytest.approx(score(trainer.latest, text).nats_per_char, rel=1e-5)
