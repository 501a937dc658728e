"""The inspector's views: what they say of models whose inside is known, or can be computed another way."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import charrnn.engine.protocols
from charrnn import inspection
from charrnn.config import ModelConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.inspection import trace as traces
from charrnn.inspection.context import _before, _since, gradient_norms
from charrnn.inspection.features import NAMED, following
from charrnn.inspection.trace import Text, trace
from charrnn.model import network
from charrnn.model.model import Model
from charrnn.scoring import lines, score
from charrnn.types import Array

CELLS = ("rnn", "gru", "lstm")
LINES = "Ann\nBo, and\nCarl (9)\nDora\n"
STEPS = "aaaaaaaaaa\nbb\ncc\n"
VERSE = 'the cat sat.\nthe "rat" sat (on it)!\nNOBODY sat 12 times.\n' * 40


def made(
    cell: str = "lstm",
    layers: int = 1,
    H: int = 6,
    characters: str | None = LINES + VERSE + STEPS,
    known: bool = False,
    dtype: Any = np.float32,
    scale: float = 0.7,
) -> Model:
    """A model with random weights; `characters` None: of bytes; `known`: of records."""
    vocabulary = Vocabulary(None if characters is None else sorted(set(characters)))
    config, engine = ModelConfig(len(vocabulary), cell, H, layers), charrnn.engine.load("numpy")
    rng = np.random.default_rng(1)
    shapes = network.param_shapes(config, network.cell_of(config, engine))
    params = {name: rng.normal(0, scale, shape).astype(dtype) for name, shape in shapes.items()}
    return Model(config, vocabulary, params, engine, LineSet.from_digests(8, None) if known else None)


def stands(model: Model, text: str) -> Array:
    """Where the units [L, H, N] stand after each character of a text that begins afresh, step by step."""
    state, found = model.zero_state(1), []
    _, state = model.step(np.array([model.vocabulary.start]), state)
    for v in model.vocabulary.encode(text):
        _, state = model.step(np.array([v]), state)
        found.append(np.tanh(state[:, 1, 0]) if model.config.cell == "lstm" else state[:, 0, 0])
    return np.stack(found, axis=2)


# Reading


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_units_stand_where_the_steps_of_the_network_leave_them(cell: str, layers: int) -> None:
    model = made(cell, layers)
    found = inspection.activations(model, VERSE[:300])
    np.testing.assert_allclose(found, stands(model, VERSE[:300]), rtol=0, atol=1e-5)
    one = inspection.activations(model, VERSE[:300], [(layers - 1, 2), (0, 5)])
    np.testing.assert_array_equal(one, found[[layers - 1, 0], [2, 5]])


@pytest.mark.parametrize("cell", CELLS)
def test_gates_are_those_of_the_equations(cell: str) -> None:
    model = made(cell, H=3, dtype=np.float64)
    p, ids = model.params, model.vocabulary.encode("cat")
    _, units, gates, _ = network.forward_with_activations(p, ids[:, None], model.zero_state(1), model.config)
    h = c = np.zeros(3)
    for t, v in enumerate(ids):
        x, a = p["W_ih0"][v] + p["b0"], h @ p["W_hh0"]
        sigma = 1 / (1 + np.exp(-(x + a)))
        if cell == "rnn":
            h = np.tanh(x + a)
            wanted, stand = {}, h
        elif cell == "gru":
            n = np.tanh(x[6:] + sigma[:3] * (a[6:] + p["b_hn0"]))
            h = (1 - sigma[3:6]) * n + sigma[3:6] * h
            wanted, stand = {"reset": sigma[:3], "update": sigma[3:6]}, h
        else:
            c = sigma[3:6] * c + sigma[:3] * np.tanh((x + a)[6:9])
            h = sigma[9:] * np.tanh(c)
            wanted, stand = {"input": sigma[:3], "forget": sigma[3:6], "output": sigma[9:]}, np.tanh(c)
        assert set(gates[0]) == set(wanted)
        for name, values in wanted.items():
            np.testing.assert_allclose(gates[0][name][t, 0], values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(units[0, t, 0], stand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("text", [LINES, LINES[:-1], "a", "at", "\n\na\n\n", VERSE, STEPS, STEPS[:-1]])
def test_every_character_is_predicted_once_and_read_once(text: str, known: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(traces, "PART", 50)
    monkeypatch.setattr(traces, "BEFORE", 20)
    monkeypatch.setattr(traces, "CHUNK", 70)
    read = Text(made(known=known), text)
    expected, after = np.zeros(len(text) + 1, int), np.zeros(len(text) + 1, int)
    for piece in trace(read):
        np.add.at(expected, piece.places[piece.expected], 1)
        np.add.at(after, piece.places[piece.read], 1)
    assert expected.tolist() == [1] * len(text) + [0]
    assert after.tolist() == [0] + [1] * len(text)


def test_parts_side_by_side_are_read_as_the_whole_is(monkeypatch: Any) -> None:
    model = made("gru", scale=0.3)
    whole = inspection.activations(model, VERSE)
    monkeypatch.setattr(traces, "PART", 200)
    monkeypatch.setattr(traces, "BEFORE", 100)
    np.testing.assert_allclose(inspection.activations(model, VERSE), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", [LINES, LINES[:-1], STEPS, STEPS[:-1]])
def test_a_model_of_records_reads_each_afresh(text: str) -> None:
    model = made(known=True)
    found = inspection.activations(model, text)
    start = 0
    for line in text.splitlines():
        wanted = stands(model, line)
        np.testing.assert_allclose(found[..., start : start + len(line)], wanted, rtol=0, atol=1e-6)
        start += len(line) + 1
    bits = inspection.surprise(model, text)["bits"]
    scores = [score.bpc * score.chars for score in lines.score_lines(model, text.splitlines(keepends=True))]
    ends = np.cumsum([0] + [len(line) for line in text.splitlines(keepends=True)])
    np.testing.assert_allclose([sum(bits[a:b]) for a, b in itertools.pairwise(ends)], scores, rtol=1e-5)


def test_characters_of_several_bytes_stand_for_all_of_them() -> None:
    model, text = made(characters=None), "щи и cat"
    found, raw = inspection.activations(model, text), text.encode()
    ends = np.cumsum([len(c.encode()) for c in text]) - 1
    by_byte = inspection.activations(model, raw.decode("latin-1").encode("latin-1").decode("utf-8"))
    np.testing.assert_array_equal(found, by_byte)
    state, wanted = model.zero_state(1), []
    for v in [model.vocabulary.start, *raw]:
        _, state = model.step(np.array([v]), state)
        wanted.append(np.tanh(state[:, 1, 0]))
    np.testing.assert_allclose(found, np.stack(wanted[1:], axis=2)[..., ends], rtol=0, atol=1e-6)
    nats = score.surprisal(model, text)
    parts = np.split(nats, ends + 1)[:-1]
    np.testing.assert_allclose(
        inspection.surprise(model, text)["bits"], [p.sum() / math.log(2) for p in parts], rtol=1e-5
    )


def test_what_was_never_seen_is_left_out_and_nothing_else_changes() -> None:
    model, text = made(), "the ☃cat sat☃ on it"
    plain = text.replace("☃", "")
    found, wanted = inspection.activations(model, text), inspection.activations(model, plain)
    unknown = np.array([c == "☃" for c in text])
    assert np.isnan(found[..., unknown]).all()
    np.testing.assert_array_equal(found[..., ~unknown], wanted)
    told = inspection.surprise(model, text)
    assert (told["chars"], told["unknown"]) == (len(plain), 2)
    assert [b is None for b in told["bits"]] == unknown.tolist()
    assert [b for b in told["bits"] if b is not None] == inspection.surprise(model, plain)["bits"]
    with pytest.raises(CorpusError, match="knows none of its characters"):
        inspection.surprise(model, "☃☃☃")


# Features


FOLLOWED = [
    ("position in the line", "ab\nc\n\nd", [0, 1, 0, 1, 0, 0, 1]),
    ("position in the word", "ab c1.d", [1, 2, 0, 1, 2, 0, 1]),
    ("after a line end", "a\nb", [0, 1, 0]),
    ("since the last full stop", "ab. c!d", [0, 0, 0, 1, 2, 0, 1]),
    ("inside quotes", 'a "b" “c” d', [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0]),
    ("inside quotes", '"a\n\nb"c', [1, 1, 1, 0, 0, 1, 1]),
    ("inside quotes", '"""D.\n\nM."""\nx"y"', [1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0]),
    ("inside quotes", "„ja“ «n» “x", [1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]),
    ("depth of brackets", "a(b[c])d)", [0, 1, 1, 2, 2, 1, 0, 0, 0]),
    ("indentation", "  a b\n\tc\nd", [1, 2, 2, 2, 2, 0, 8, 8, 0, 0]),
    ("inside a comment", "a # b\nc", [0, 0, 1, 1, 1, 0, 0]),
    ("capital letter", "AbЖ", [1, 0, 1]),
    ("run of capitals", "ABc D", [1, 2, 0, 0, 1]),
    ("digit", "a1٣", [0, 1, 1]),
    ("blank", "a b\n", [0, 1, 0, 1]),
]


@pytest.mark.parametrize(("name", "text", "values"), FOLLOWED)
def test_features_are_what_they_are_called(name: str, text: str, values: list[int]) -> None:
    (feature,) = (feature for feature in NAMED if feature.name == name)
    found = np.asarray(feature.of(text), float)
    if name == "position in the line":  # a text begins as if a line end stood before it
        first = text.index("\n")
        assert found[:first].tolist() == list(range(1, first + 1))
        found, values = found[first:], values[first:]
    assert found.tolist() == values


def test_every_feature_tells_the_beginning_of_a_text_without_its_end() -> None:
    for feature in NAMED:
        whole = np.asarray(feature.of(VERSE[:200]), float)
        for n in (1, 13, 57, 130):
            np.testing.assert_array_equal(whole[:n], np.asarray(feature.of(VERSE[:n]), float), feature.name)


def test_a_pattern_is_a_feature() -> None:
    assert following("[0-9]+").of("a12b3").tolist() == [0, 1, 1, 0, 1]
    for wrong in ("(", "a{99999999999}"):
        with pytest.raises(ConfigError, match="no regular expression"):
            following(wrong)


# Neurons


def test_a_unit_that_was_made_to_follow_digits_is_found() -> None:
    model = made("rnn", H=5, scale=0.05)
    digits = [n for n, c in enumerate(model.vocabulary.characters) if c.isdigit()]
    model.params["W_ih0"][:, 3], model.params["W_hh0"][:, 3] = -2, 0
    model.params["W_ih0"][digits, 3] = 2
    found = inspection.neurons(model, VERSE)
    best = found["features"][0]
    assert best["follows"] == "digit"
    assert (best["units"][0]["layer"], best["units"][0]["index"]) == (0, 3)
    assert best["units"][0]["r"] > 0.99
    assert best["units"][0]["confirmed"] > 0.99


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_correlations_are_those_of_the_halves(cell: str, known: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(traces, "CHUNK", 100)
    model, text = made(cell, 2, known=known), VERSE[:599].replace("sat", "s☃t")
    found = inspection.neurons(model, text, [following("cat|rat")])
    assert {row["follows"] for row in found["features"]} >= {"matches cat|rat", "digit", "inside quotes"}
    read = np.array([c != "☃" for c in text])
    units = inspection.activations(model, text)[..., read].astype(float)
    half = len(units[0, 0]) // 2 + len(units[0, 0]) % 2
    named = {feature.name: feature for feature in (*NAMED, following("cat|rat"))}
    for row in found["features"]:
        values = np.asarray(named[row["follows"]].of(text), float)[read]
        first = np.array([[np.corrcoef(u[:half], values[:half])[0, 1] for u in layer] for layer in units])
        best = np.unravel_index(np.abs(first).argmax(), first.shape)
        top = row["units"][0]
        assert abs(top["r"]) == pytest.approx(abs(first[best]), abs=1e-6)
        at = top["layer"], top["index"]
        assert top["r"] == pytest.approx(first[at], abs=1e-6)
        assert top["confirmed"] == pytest.approx(np.corrcoef(units[at][half:], values[half:])[0, 1], abs=1e-6)
    order = [abs(row["units"][0]["confirmed"]) for row in found["features"]]
    assert order == sorted(order, reverse=True)


def test_what_a_text_lacks_is_not_followed() -> None:
    found = inspection.neurons(made(), "the cat sat on it " * 10)
    lacking = {"digit", "inside quotes", "after a line end"}
    assert not lacking & {row["follows"] for row in found["features"]}
    assert lacking <= set(found["absent"])


def test_a_dead_unit_follows_nothing() -> None:
    model = made("rnn")
    model.params["W_ih0"][:, 2] = model.params["W_hh0"][:, 2] = 0
    found = inspection.neurons(model, VERSE)
    assert all(unit["index"] != 2 for row in found["features"] for unit in row["units"])


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="no unit 1:0"):
        inspection.activations(made(), VERSE, [(1, 0)])
    with pytest.raises(CorpusError, match="too short"):
        inspection.neurons(made(), "the cat")


# Remembrance


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_of_the_state_is_that_of_finite_differences(engine: Any, cell: str, layers: int) -> None:
    model = replace(made(cell, layers, H=4, dtype=np.float64), engine=engine)
    rng, (T, B) = np.random.default_rng(2), (5, 3)
    inputs = rng.integers(len(model.vocabulary), size=(T, B)).astype(np.uint8)
    targets = rng.integers(len(model.vocabulary), size=B).astype(np.uint8)
    state = rng.uniform(-0.9, 0.9, model.zero_state(B).shape)

    def losses(state: Array) -> Array:
        logits, _ = model.forward(inputs, state.copy())
        return engine.softmax.token_nll(logits[-1].copy(), targets)

    found = network.state_gradient(model.params, inputs, targets, state, model.config, engine)
    for place in np.ndindex(state.shape[:2] + state.shape[3:]):
        step = np.zeros_like(state)
        step[(*place[:2], slice(None), place[2])] = 1e-5
        slope = (losses(state + step) - losses(state - step)) / 2e-5
        np.testing.assert_allclose(found[(*place[:2], slice(None), place[2])], slope, rtol=0, atol=1e-8)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_norms_are_of_the_gradients_in_the_text(cell: str, known: bool) -> None:
    model = made(cell, 2, H=3, known=known, dtype=np.float64)
    read = Text(model, LINES)
    before = _before(read)
    assert before.tolist() == [n - (0 if not known else LINES.rfind("\n", 0, n) + 1) for n in range(len(LINES))]
    t, k = LINES.index("9"), 3
    begin = 0 if not known else LINES.rfind("\n", 0, t) + 1
    ids = np.concatenate(([model.vocabulary.start], read.ids[begin:t])).astype(read.ids.dtype)[:, None]
    _, state = model.forward(ids[:-k], model.zero_state(1))

    def loss(state: Array) -> float:
        logits, _ = model.forward(ids[-k:], state.copy())
        return float(model.engine.softmax.token_nll(logits[-1].copy(), read.ids[t : t + 1])[0])

    slopes = []
    for layer, unit in np.ndindex(2, 3):
        step = np.zeros_like(state)
        step[layer, 0, 0, unit] = 1e-5
        slopes.append((loss(state + step) - loss(state - step)) / 2e-5)
    found = gradient_norms(read, np.array([t]), before, k + 1)
    assert found(k)[0] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


def test_a_gradient_falls_below_a_share_where_it_is_said_to() -> None:
    model = made("rnn", H=8, scale=0.4)
    read = Text(model, VERSE)
    told = inspection.remembrance(model, VERSE)["gradient"]
    ends = np.flatnonzero(_before(read) >= 256)
    ends = ends[np.linspace(0, len(ends) - 1, 64).astype(int)]
    for share in (0.1, 0.01):
        k = told["below"][f"{share:g}"]
        below, above = (gradient_norms(read, ends, _before(read), 256)(n).mean() for n in (k, k - 1))
        assert below < share * told["norm"][0] <= above
    assert told["k"][0] == 1
    assert told["norm"] == sorted(told["norm"], reverse=True)
    assert told["over"] == 64


def test_a_network_that_only_adds_up_forgets_nothing() -> None:
    model = made("gru", H=4, scale=0.1)
    model.params["W_ih0"][:, 4:8] = model.params["W_hh0"][:, 4:8] = 0
    model.params["b0"][4:8] = 50  # the update gate, which keeps all that was
    told = inspection.remembrance(model, VERSE)["gradient"]
    np.testing.assert_allclose(told["norm"], told["norm"][0], rtol=1e-4)
    assert told["below"] == {"0.1": None, "0.01": None}


@pytest.mark.parametrize("first", range(1, 40))
def test_the_first_number_is_found_between_the_steps(first: int) -> None:
    assert _since(lambda k: k >= first, [1, 2, 4, 9, 20, 39]) == first
    if first > 20:  # that it holds for once before is nothing
        assert _since(lambda k: k >= first or k == 9, [1, 2, 4, 9, 20, 39]) == first
    assert _since(lambda k: k < first, [1, 2, 4, 39]) is None


def test_the_loss_with_a_context_is_that_of_a_network_that_has_read_no_more() -> None:
    model = made(H=5)
    read, told = Text(model, VERSE), inspection.remembrance(model, VERSE)["context"]
    assert (told["n"][0], told["n"][-1], told["over"]) == (1, 512, 256)
    targets = np.flatnonzero(np.arange(len(VERSE)) >= 512)
    targets = targets[np.linspace(0, len(targets) - 1, 256).astype(int)]
    for n in (1, 6):
        nats = []
        for t in targets:
            logits, _ = model.forward(read.ids[t - n : t, None], model.zero_state(1))
            nats.append(model.engine.softmax.token_nll(logits[-1], read.ids[t : t + 1])[0])
        assert told["loss"][told["n"].index(n)] == pytest.approx(np.mean(nats), rel=1e-5)


def test_saturated_gates_are_counted() -> None:
    model = made("lstm", 2, H=4)
    model.params["b1"][[0, 4, 12]] = 50, 50, -50  # of unit 0: input and forget open, output shut
    told = {(row["layer"], row["gate"]): row for row in inspection.remembrance(model, VERSE)["gates"]}
    assert set(told) == {(layer, gate) for layer in (0, 1) for gate in ("input", "forget", "output")}
    assert [told[1, gate]["open"][0] for gate in ("input", "forget", "output")] == [1, 1, 0]
    assert [told[1, gate]["shut"][0] for gate in ("input", "forget", "output")] == [0, 0, 1]
    ids = np.concatenate(([model.vocabulary.start], model.vocabulary.encode(VERSE))).astype(np.uint8)
    gates = network.forward_with_activations(model.params, ids[:, None], model.zero_state(1), model.config)[2]
    np.testing.assert_allclose(told[0, "forget"]["open"], (gates[0]["forget"][1:, 0] > 0.9).mean(axis=0), atol=1e-9)
    assert inspection.remembrance(made("rnn"), VERSE)["gates"] == []


# Surprise, weights, vocabulary


def test_surprises_are_those_of_the_scorer_and_say_what_was_expected() -> None:
    model = made()
    told = inspection.surprise(model, VERSE)
    np.testing.assert_allclose(told["bits"], score.surprisal(model, VERSE) / math.log(2), rtol=1e-5)
    assert told["mean_bits"] == pytest.approx(score.score(model, VERSE).bpc, rel=1e-6)
    assert [place["bits"] for place in told["places"]] == sorted(told["bits"], reverse=True)[:10]
    for place in told["places"]:
        n = place["at"]
        assert (place["character"], place["after"]) == (VERSE[n], VERSE[max(0, n - 30) : n])
        ids = model.vocabulary.encode("\n" + VERSE[:n])
        logits, _ = model.forward(ids[:, None], model.zero_state(1))
        p = np.exp(logits[-1, 0] - logits[-1, 0].max())
        p /= p.sum()
        best = np.argsort(-p)[:3]
        assert [e["character"] for e in place["expected"]] == [model.vocabulary.characters[v] for v in best]
        np.testing.assert_allclose([e["probability"] for e in place["expected"]], p[best], rtol=1e-3)
    assert [place["at"] for place in inspection.surprise(model, "cat", places=None)["places"]] != []


def test_weights_are_told_by_their_numbers() -> None:
    model = made("gru", 2, H=4)
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))
    model.params["W_hh0"] = np.concatenate([q, 2 * q, 0.5 * q], axis=1).astype(np.float32)
    told = inspection.weights(model)
    radii = {(row["layer"], row["gate"]): row["spectral_radius"] for row in told["recurrent"]}
    assert [radii[0, gate] for gate in ("reset", "update", "candidate")] == pytest.approx([1, 2, 0.5], rel=1e-5)
    (W,) = (row for row in told["tensors"] if row["name"] == "decoder.weight")
    out = model.params["W_out"].astype(float)
    assert W["shape"] == [len(model.vocabulary), 4]
    assert (W["mean"], W["spread"]) == pytest.approx((out.mean(), out.std()))
    assert (W["min"], W["max"], sum(W["histogram"])) == (out.min(), out.max(), out.size)
    assert told["dead"] == []
    model.params["W_ih1"][2] = model.params["W_hh0"][2] = 0
    model.params["W_out"][1] = model.params["W_hh1"][1] = 0
    assert inspection.weights(model)["dead"] == [{"layer": 0, "index": 2}, {"layer": 1, "index": 1}]


@pytest.mark.parametrize("by", [1e-30, 1e36])
def test_weights_of_any_size_are_told(by: float) -> None:
    model = made("lstm", 2, H=4)
    dead = inspection.weights(model)["dead"]
    for name, p in model.params.items():
        model.params[name] = (p * by).astype(np.float32)
    assert inspection.weights(model)["dead"] == dead


def test_characters_that_mean_the_same_are_neighbours() -> None:
    model = made(characters="abcdef\n")
    model.params["W_ih0"][1] = model.params["W_ih0"][4]  # a and d are read alike
    model.params["W_out"][:, 2] = model.params["W_out"][:, 6]  # b and f are expected alike
    told = {row["character"]: row for row in inspection.neighbours(model)["characters"]}
    for a, b, way in (("a", "d", "read"), ("d", "a", "read"), ("b", "f", "expected"), ("f", "b", "expected")):
        assert told[a][way][0] == {"character": b, "cosine": pytest.approx(1)}
        assert told[a]["plane"][way] == pytest.approx(told[b]["plane"][way])
    assert all(a["character"] not in {b["character"] for b in a["read"]} for a in told.values())


def test_of_bytes_those_that_are_no_ascii_have_names() -> None:
    characters = [row["character"] for row in inspection.neighbours(made(characters=None))["characters"]]
    assert (characters[65], characters[200]) == ("A", "\\xc8")


def test_of_a_large_vocabulary_the_characters_that_are_expected_most_are_compared() -> None:
    model = made(characters="".join(map(chr, range(0x4E00, 0x4E00 + 700))) + "\n", H=3)
    told = inspection.neighbours(model)
    assert (len(told["characters"]), told["left_out"]) == (500, 201)
    bias = dict(zip(model.vocabulary.characters, model.params["b_out"], strict=True))
    kept = {row["character"] for row in told["characters"]}
    assert min(bias[c] for c in kept) >= max(bias[c] for c in bias if c not in kept)


def test_of_a_character_in_several_bytes_what_was_expected_in_the_stead_of_the_worst() -> None:
    model = made(characters=None, scale=0.3)
    read = Text(model, "cat жук sat")
    (place,) = (place for place in inspection.surprise(model, read.text, places=None)["places"] if place["at"] == 4)
    nats = score.surprisal(model, read.text)
    worst = 4 + int(nats[4:6].argmax())
    ids = np.concatenate(([model.vocabulary.start], read.ids[:worst])).astype(np.uint8)
    logits, _ = model.forward(ids[:, None], model.zero_state(1))
    best = int(logits[-1, 0].argmax())
    assert place["expected"][0]["character"] == (chr(best) if best < 128 else f"\\x{best:02x}")


# Held units


@pytest.mark.parametrize("value", [-1, -0.5, 0, 0.9, 1])
@pytest.mark.parametrize("cell", CELLS)
def test_a_unit_that_is_held_stays_where_it_is_held(engine: Any, cell: str, value: float) -> None:
    model = replace(made(cell, 2), engine=engine)
    held = model.clamp_units({(0, 1): value, (1, 4): -value})
    found = inspection.activations(held, VERSE)
    np.testing.assert_allclose(found[0, 1], value, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[1, 4], -value, rtol=0, atol=2e-6)
    assert found[0, 0].std() > 0.01
    np.testing.assert_array_equal(model.params["W_hh0"], made(cell, 2).params["W_hh0"])
    text = "".join(charrnn.generate(held, length=3000, seed=1))
    state = held.read(held.vocabulary.encode("\n" + text), held.zero_state(1))
    stand = np.tanh(state[:, 1, 0]) if cell == "lstm" else state[:, 0, 0]
    np.testing.assert_allclose((stand[0, 1], stand[1, 4]), (value, -value), rtol=0, atol=2e-6)
    assert text != "".join(charrnn.generate(model, length=3000, seed=1))


def test_a_held_unit_is_held_where_rows_begin_afresh() -> None:
    model = made().clamp_units({(0, 1): 0.9})
    ids = model.vocabulary.encode("the cat sat")
    inputs, targets = ids[:-1, None], ids[1:, None]
    chunk = Batch(inputs, targets, slice(0, 1), np.ones(targets.shape, bool))
    ((nats, chars),) = model.chunk_losses([chunk], 1)
    found, _ = model.token_nll(inputs, targets, model.zero_state(1))
    assert nats / chars == pytest.approx(found.mean(), rel=1e-5)


def test_only_units_that_there_are_can_be_held_and_within_bounds() -> None:
    for unit, value in (((1, 0), 0.5), ((0, 6), 0.5), ((0, 0), 1.5), ((0, 0), math.nan)):
        with pytest.raises(ConfigError):
            made().clamp_units({unit: value})
    assert made().clamp_units({}).held is None
