"""The data functions of the views: on models whose insides are known, or can be computed in another way."""

import itertools
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import config
from charrnn.dataset.split import ValidationStream
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.inspection import trace as traces
from charrnn.inspection.context import _below_from, _ids_before, context, gradient_norms
from charrnn.inspection.features import BUILT_IN, pattern_feature
from charrnn.inspection.neurons import activations, neurons, unit_activations
from charrnn.inspection.surprisal import surprisal
from charrnn.inspection.trace import Text, trace
from charrnn.inspection.vocabulary import neighbours
from charrnn.inspection.weights import weights
from charrnn.model.model import Model
from charrnn.scoring import lines, score
from charrnn.training import evaluation
from charrnn.types import Array
from support.cells import CELLS
from support.inspection import LINES, STEPS, VERSE, random_model


def stepwise_activations(model: Model, text: str) -> Array:
    """The activations [L, H, N] after each character of a text that is read step by step."""
    state, found = model.zero_state(1), []
    _, state = model.step(np.array([model.vocabulary.start]), state)
    for v in model.vocabulary.encode(text):
        _, state = model.step(np.array([v]), state)
        found.append(np.tanh(state[:, 1, 0]) if model.config.cell == "lstm" else state[:, 0, 0])
    return np.stack(found, axis=2)


# Reading


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_activations_are_those_of_single_steps(cell: str, layers: int) -> None:
    model = random_model(cell, layers)
    found = activations(model, VERSE[:300])
    np.testing.assert_allclose(found, stepwise_activations(model, VERSE[:300]), rtol=0, atol=1e-5)
    one = activations(model, VERSE[:300], [(layers - 1, 2), (0, 5)])
    np.testing.assert_array_equal(one, found[[layers - 1, 0], [2, 5]])


@pytest.mark.parametrize("cell", CELLS)
def test_gates_are_those_of_the_equations(cell: str) -> None:
    model = random_model(cell, H=3, dtype=np.float64)
    p, ids = model.params, model.vocabulary.encode("cat")
    _, units, gates, _ = model.network.forward_with_activations(p, ids[:, None], model.zero_state(1))
    h = c = np.zeros(3)
    for t, v in enumerate(ids):
        x, a = p["W_ih0"][v] + p["b0"], h @ p["W_hh0"]
        sigma = 1 / (1 + np.exp(-(x + a)))
        if cell.startswith("rnn"):
            h = np.tanh(x + a) if cell == "rnn" else np.maximum(x + a, 0)
            expected, activation = {}, h
        elif cell == "gru":
            n = np.tanh(x[6:] + sigma[:3] * (a[6:] + p["b_hn0"]))
            h = (1 - sigma[3:6]) * n + sigma[3:6] * h
            expected, activation = {"reset": sigma[:3], "update": sigma[3:6]}, h
        else:
            c = sigma[3:6] * c + sigma[:3] * np.tanh((x + a)[6:9])
            h = sigma[9:] * np.tanh(c)
            expected, activation = {"input": sigma[:3], "forget": sigma[3:6], "output": sigma[9:]}, np.tanh(c)
        assert set(gates[0]) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(gates[0][name][t, 0], values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(units[0, t, 0], activation, rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", ["stream", "lines"])
@pytest.mark.parametrize("text", [LINES, LINES[:-1], "a", "at", "\n\na\n\n", VERSE, STEPS, STEPS[:-1]])
def test_every_character_is_predicted_once_and_read_once(text: str, layout: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(traces, "MIN_PART", 50)
    monkeypatch.setattr(traces, "WARM_UP", 20)
    monkeypatch.setattr(traces, "CHARS_PER_READ", 70)
    read = Text(random_model(layout=layout), text)
    predicted, after = np.zeros(len(text) + 1, int), np.zeros(len(text) + 1, int)
    for piece in trace(read):
        np.add.at(predicted, piece.places[piece.predicted], 1)
        np.add.at(after, piece.places[piece.read], 1)
    assert predicted.tolist() == [1] * len(text) + [0]
    assert after.tolist() == [0] + [1] * len(text)


def test_parts_read_side_by_side_give_what_the_whole_gives(monkeypatch: Any) -> None:
    model = random_model("gru", scale=0.3)
    whole = activations(model, VERSE)
    monkeypatch.setattr(traces, "MIN_PART", 200)
    monkeypatch.setattr(traces, "WARM_UP", 100)
    np.testing.assert_allclose(activations(model, VERSE), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", [LINES, LINES[:-1], STEPS, STEPS[:-1]])
def test_a_model_of_lines_reads_each_line_from_a_zero_state(text: str) -> None:
    model = random_model(layout="lines")
    found = activations(model, text)
    start = 0
    for line in text.splitlines():
        expected = stepwise_activations(model, line)
        np.testing.assert_allclose(found[..., start : start + len(line)], expected, rtol=0, atol=1e-6)
        start += len(line) + 1
    bits = surprisal(model, text)["bits"]
    scores = [score.bpc * score.chars for score in lines.score_lines(model, text.splitlines(keepends=True))]
    ends = np.cumsum([0] + [len(line) for line in text.splitlines(keepends=True)])
    np.testing.assert_allclose([sum(bits[a:b]) for a, b in itertools.pairwise(ends)], scores, rtol=1e-5)


def test_a_character_of_several_bytes_has_the_values_of_all_its_bytes() -> None:
    model, text = random_model(characters=None), "щи и cat"
    found, raw = activations(model, text), text.encode()
    ends = np.cumsum([len(c.encode()) for c in text]) - 1
    by_byte = activations(model, raw.decode("latin-1").encode("latin-1").decode("utf-8"))
    np.testing.assert_array_equal(found, by_byte)
    state, expected = model.zero_state(1), []
    for v in [model.vocabulary.start, *raw]:
        _, state = model.step(np.array([v]), state)
        expected.append(np.tanh(state[:, 1, 0]))
    np.testing.assert_allclose(found, np.stack(expected[1:], axis=2)[..., ends], rtol=0, atol=1e-6)
    nats = score.surprisal(model, text)
    parts = np.split(nats, ends + 1)[:-1]
    np.testing.assert_allclose(surprisal(model, text)["bits"], [p.sum() / math.log(2) for p in parts], rtol=1e-5)


def test_unknown_characters_are_left_out_and_nothing_else_changes() -> None:
    model, text = random_model(), "the ☃cat sat☃ on it"
    plain = text.replace("☃", "")
    found, expected = activations(model, text), activations(model, plain)
    unknown = np.array([c == "☃" for c in text])
    assert np.isnan(found[..., unknown]).all()
    np.testing.assert_array_equal(found[..., ~unknown], expected)
    data = surprisal(model, text)
    assert (data["chars"], data["unknown"]) == (len(plain), 2)
    assert [b is None for b in data["bits"]] == unknown.tolist()
    assert [b for b in data["bits"] if b is not None] == surprisal(model, plain)["bits"]
    with pytest.raises(CorpusError, match="knows none of its characters"):
        surprisal(model, "☃☃☃")


# Features


FEATURE_VALUES = [
    ("position in the line", "ab\nc\n\nd", [0, 1, 0, 1, 0, 0, 1]),
    ("position in the word", "ab c1.d", [1, 2, 0, 1, 2, 0, 1]),
    ("after a newline", "a\nb", [0, 1, 0]),
    ("since the last full stop", "ab. c!d", [0, 0, 0, 1, 2, 0, 1]),
    ("inside quotes", 'a "b" “c” d', [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0]),
    ("inside quotes", '"a\n\nb"c', [1, 1, 1, 0, 0, 1, 1]),
    ("inside quotes", '"""D.\n\nM."""\nx"y"', [1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0]),
    ("inside quotes", "„ja“ «n» “x", [1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]),
    ("bracket depth", "a(b[c])d)", [0, 1, 1, 2, 2, 1, 0, 0, 0]),
    ("indentation", "  a b\n\tc\nd", [1, 2, 2, 2, 2, 0, 8, 8, 0, 0]),
    ("inside a comment", "a # b\nc", [0, 0, 1, 1, 1, 0, 0]),
    ("capital letter", "AbЖ", [1, 0, 1]),
    ("run of capitals", "ABc D", [1, 2, 0, 0, 1]),
    ("digit", "a1٣", [0, 1, 1]),
    ("whitespace", "a b\n", [0, 1, 0, 1]),
]


@pytest.mark.parametrize(("name", "text", "values"), FEATURE_VALUES)
def test_features_have_the_values_that_their_names_say(name: str, text: str, values: list[int]) -> None:
    (feature,) = (feature for feature in BUILT_IN if feature.name == name)
    found = np.asarray(feature.values(text), float)
    if name == "position in the line":  # a text begins as if a newline came before it
        first = text.index("\n")
        assert found[:first].tolist() == list(range(1, first + 1))
        found, values = found[first:], values[first:]
    assert found.tolist() == values


def test_features_do_not_depend_on_later_characters() -> None:
    for feature in BUILT_IN:
        whole = np.asarray(feature.values(VERSE[:200]), float)
        for n in (1, 13, 57, 130):
            np.testing.assert_array_equal(whole[:n], np.asarray(feature.values(VERSE[:n]), float), feature.name)


def test_a_pattern_is_a_feature() -> None:
    assert pattern_feature("[0-9]+").values("a12b3").tolist() == [0, 1, 1, 0, 1]
    for wrong in ("(", "a{99999999999}"):
        with pytest.raises(ConfigError, match="not a valid regular expression"):
            pattern_feature(wrong)


# Neurons


def test_a_unit_built_to_follow_digits_is_found() -> None:
    model = random_model("rnn", H=5, scale=0.05)
    digits = [n for n, c in enumerate(model.vocabulary.characters) if c.isdigit()]
    model.params["W_ih0"][:, 3], model.params["W_hh0"][:, 3] = -2, 0
    model.params["W_ih0"][digits, 3] = 2
    found = neurons(model, VERSE)
    best = found["features"][0]
    assert best["feature"] == "digit"
    assert (best["units"][0]["layer"], best["units"][0]["index"]) == (0, 3)
    assert best["units"][0]["r"] > 0.99
    assert best["units"][0]["r_validation"] > 0.99


@pytest.mark.parametrize("layout", ["stream", "lines"])
@pytest.mark.parametrize("cell", CELLS)
def test_correlations_are_those_of_each_half(cell: str, layout: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(traces, "CHARS_PER_READ", 100)
    model, text = random_model(cell, 2, layout=layout), VERSE[:599].replace("sat", "s☃t")
    found = neurons(model, text, [pattern_feature("cat|rat")])
    assert {row["feature"] for row in found["features"]} >= {"matches cat|rat", "digit", "inside quotes"}
    read = np.array([c != "☃" for c in text])
    units = activations(model, text)[..., read].astype(float)
    half = len(units[0, 0]) // 2 + len(units[0, 0]) % 2
    named = {feature.name: feature for feature in (*BUILT_IN, pattern_feature("cat|rat"))}
    for row in found["features"]:
        values = np.asarray(named[row["feature"]].values(text), float)[read]
        with np.errstate(invalid="ignore"):  # a unit of ReLU may be 0 throughout
            first = np.nan_to_num([[np.corrcoef(u[:half], values[:half])[0, 1] for u in layer] for layer in units])
        best = np.unravel_index(np.abs(first).argmax(), first.shape)
        top = row["units"][0]
        assert abs(top["r"]) == pytest.approx(abs(first[best]), abs=1e-6)
        at = top["layer"], top["index"]
        assert top["r"] == pytest.approx(first[at], abs=1e-6)
        assert top["r_validation"] == pytest.approx(np.corrcoef(units[at][half:], values[half:])[0, 1], abs=1e-6)
    order = [abs(row["units"][0]["r_validation"]) for row in found["features"]]
    assert order == sorted(order, reverse=True)


def test_features_that_a_text_lacks_are_absent() -> None:
    found = neurons(random_model(), "the cat sat on it " * 10)
    lacking = {"digit", "inside quotes", "after a newline"}
    assert not lacking & {row["feature"] for row in found["features"]}
    assert lacking <= set(found["absent"])


def test_a_constant_unit_follows_nothing() -> None:
    model = random_model("rnn")
    model.params["W_ih0"][:, 2] = model.params["W_hh0"][:, 2] = 0
    found = neurons(model, VERSE)
    assert all(unit["index"] != 2 for row in found["features"] for unit in row["units"])


def test_the_range_of_a_unit_is_that_of_tanh_or_that_of_relu_in_the_text() -> None:
    for cell in CELLS:
        model = random_model(cell)
        data = unit_activations(model, {}, (0, 3), "the ☃cat sat")
        assert data is not None
        seen = [a for a in data["activations"] if a is not None]
        assert len(seen) == len(data["activations"]) - 1
        assert data["range"] == ([0, max(seen)] if cell == "rnn_relu" else [-1, 1]), cell
        assert data["range"][0] <= min(seen) <= max(seen) <= data["range"][1]
    assert max(seen) > 1, "with ReLU"
    model.params["b0"][3] = -100  # so that the unit is off
    off = unit_activations(model, {}, (0, 3), "the cat")
    assert off is not None
    assert (off["range"], off["activations"]) == ([0, 1], [0] * 7)


def test_missing_units_and_short_texts_are_refused() -> None:
    with pytest.raises(ConfigError, match="no unit 1:0"):
        activations(random_model(), VERSE, [(1, 0)])
    with pytest.raises(CorpusError, match="too short"):
        neurons(random_model(), "the cat")


# Context


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_of_the_state_is_that_of_finite_differences(engine: Any, cell: str, layers: int) -> None:
    model = replace(random_model(cell, layers, H=4, dtype=np.float64), engine=engine)
    rng, (T, B) = np.random.default_rng(2), (5, 3)
    inputs = rng.integers(len(model.vocabulary), size=(T, B)).astype(np.uint8)
    targets = rng.integers(len(model.vocabulary), size=B).astype(np.uint8)
    state = rng.uniform(-0.9, 0.9, model.zero_state(B).shape)

    def losses(state: Array) -> Array:
        logits, _ = model.forward(inputs, state.copy())
        return engine.softmax.token_nll(logits[-1].copy(), targets)

    found = model.network.state_gradient(model.params, inputs, targets, state)
    for place in np.ndindex(state.shape[:2] + state.shape[3:]):
        step = np.zeros_like(state)
        step[(*place[:2], slice(None), place[2])] = 1e-5
        slope = (losses(state + step) - losses(state - step)) / 2e-5
        np.testing.assert_allclose(found[(*place[:2], slice(None), place[2])], slope, rtol=0, atol=1e-8)


@pytest.mark.parametrize("layout", ["stream", "lines"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_norms_are_those_of_the_gradients_in_the_text(cell: str, layout: str) -> None:
    model = random_model(cell, 2, H=3, layout=layout, dtype=np.float64)
    read = Text(model, LINES)
    before = _ids_before(read)
    assert before.tolist() == [
        n - (0 if layout == "stream" else LINES.rfind("\n", 0, n) + 1) for n in range(len(LINES))
    ]
    t, k = LINES.index("9"), 3
    begin = 0 if layout == "stream" else LINES.rfind("\n", 0, t) + 1
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
    assert found.shape == (k + 1, 1)
    assert found[k - 1, 0] == pytest.approx(np.linalg.norm(slopes), rel=1e-6)


def test_a_gradient_falls_below_a_share_at_the_reported_lag() -> None:
    model = random_model("rnn", H=8, scale=0.4)
    read = Text(model, VERSE)
    data = context(model, VERSE)["gradient"]
    ends = np.flatnonzero(_ids_before(read) >= 256)
    ends = ends[np.linspace(0, len(ends) - 1, 64).astype(int)]
    norms = gradient_norms(read, ends, _ids_before(read), 256).mean(axis=1)
    for share in (0.1, 0.01, 1e-4):
        k = data["below"][f"{share:g}"]
        above, below = norms[k - 2], norms[k - 1]
        assert below < share * data["norm"][0] <= above
    assert data["k"][0] == 1
    assert data["norm"] == sorted(data["norm"], reverse=True)
    assert data["targets"] == 64


def test_the_gradient_of_a_network_that_keeps_its_state_does_not_vanish() -> None:
    model = random_model("gru", H=4, scale=0.1)
    model.params["W_ih0"][:, 4:8] = model.params["W_hh0"][:, 4:8] = 0
    model.params["b0"][4:8] = 50  # the update gate, which keeps the whole state
    data = context(model, VERSE)["gradient"]
    np.testing.assert_allclose(data["norm"], data["norm"][0], rtol=1e-4)
    assert data["below"] == {"0.1": None, "0.01": None, "0.0001": None}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_all_gradients_of_one_pass_are_those_of_each_number_of_steps(cell: str, layers: int) -> None:
    model = random_model(cell, layers, H=4, dtype=np.float64)
    rng, (T, B) = np.random.default_rng(3), (7, 3)
    inputs = rng.integers(len(model.vocabulary), size=(T, B)).astype(np.uint8)
    targets = rng.integers(len(model.vocabulary), size=B).astype(np.uint8)
    state = rng.uniform(0, 0.9, model.zero_state(B).shape)
    network, norms = model.language_model, []
    for k in range(1, T + 1):
        _, before = network.forward(model.params, inputs[: T - k], state) if k < T else (None, state)
        d_state = network.state_gradient(model.params, inputs[T - k :], targets, before)
        norms.append(np.sqrt(np.square(d_state[:, 0]).sum(axis=(0, 2))))
    found = network.state_gradient_norms(model.params, inputs, targets, state)
    np.testing.assert_allclose(found, norms, rtol=1e-9)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_gradient_is_measured_far_below_the_smallest_number_of_its_format(cell: str) -> None:
    model = random_model(cell, H=4, scale=0.05)
    inputs = np.zeros((150, 1), np.uint8)
    args = inputs, np.array([1], np.uint8), model.zero_state(1)
    found = model.language_model.state_gradient_norms(model.params, *args)
    exact = replace(model, params={name: p.astype(np.float64) for name, p in model.params.items()})
    expected = exact.language_model.state_gradient_norms(
        exact.params, *args[:2], exact.zero_state(1).astype(np.float64)
    )
    assert 0 < expected[-1, 0] < 1e-38
    np.testing.assert_allclose(found, expected, rtol=1e-2)


@pytest.mark.parametrize("first", range(1, 40))
def test_the_first_lag_is_that_from_which_the_norms_stay_below(first: int) -> None:
    norms = np.where(np.arange(1, 40) < first, 2.0, 0.5)
    assert _below_from(norms, 1.0) == first
    if first > 9:  # it must hold for good, not once
        norms[7] = 0.5
        assert _below_from(norms, 1.0) == first
    norms[-1] = 1.0
    assert _below_from(norms, 1.0) is None


def test_the_loss_by_length_is_that_of_a_model_that_has_read_only_so_much() -> None:
    model = random_model(H=5)
    read, data = Text(model, VERSE), context(model, VERSE)["loss_by_length"]
    assert (data["n"][0], data["n"][-1], data["targets"]) == (1, 512, 256)
    targets = np.flatnonzero(np.arange(len(VERSE)) >= 512)
    targets = targets[np.linspace(0, len(targets) - 1, 256).astype(int)]
    for n in (1, 6):
        nats = []
        for t in targets:
            logits, _ = model.forward(read.ids[t - n : t, None], model.zero_state(1))
            nats.append(model.engine.softmax.token_nll(logits[-1], read.ids[t : t + 1])[0])
        assert data["loss"][data["n"].index(n)] == pytest.approx(np.mean(nats), rel=1e-5)


def test_saturated_gates_are_counted() -> None:
    model = random_model("lstm", 2, H=4)
    model.params["b1"][[0, 4, 12]] = 50, 50, -50  # of unit 0: input and forget open, output closed
    data = {(row["layer"], row["gate"]): row for row in context(model, VERSE)["gates"]}
    assert set(data) == {(layer, gate) for layer in (0, 1) for gate in ("input", "forget", "output")}
    assert [data[1, gate]["open"][0] for gate in ("input", "forget", "output")] == [1, 1, 0]
    assert [data[1, gate]["closed"][0] for gate in ("input", "forget", "output")] == [0, 0, 1]
    ids = np.concatenate(([model.vocabulary.start], model.vocabulary.encode(VERSE))).astype(np.uint8)
    gates = model.network.forward_with_activations(model.params, ids[:, None], model.zero_state(1))[2]
    np.testing.assert_allclose(data[0, "forget"]["open"], (gates[0]["forget"][1:, 0] > 0.9).mean(axis=0), atol=1e-9)
    assert context(random_model("rnn"), VERSE)["gates"] == []


def test_what_is_infinite_is_refused_and_not_shown() -> None:
    model = random_model("rnn_relu", H=4)
    model.params["W_hh0"] = 3 * np.eye(4, dtype=np.float32)  # so that the state grows threefold at every step
    for look in (surprisal, neurons, context, activations):
        with pytest.raises(CheckpointError, match="NaN or infinite: its weights are too large"):
            look(model, VERSE)
    # The state is 0.5 at every step, h = 3 h - 1, and only the gradient grows
    model = random_model("rnn_relu", H=1, characters="\na")
    model.params["W_hh0"][:], model.params["W_ih0"][:], model.params["b0"][:] = 3, [[0.5], [-1]], 0
    np.testing.assert_array_equal(activations(model, "a" * 600), 0.5)
    assert surprisal(model, "a" * 600)["mean_bits"] < 20
    with pytest.raises(CheckpointError, match="gradients are NaN or infinite"):
        context(model, "a" * 600)


# Surprisal, weights, vocabulary


def test_surprisal_agrees_with_the_scores_and_lists_what_was_expected() -> None:
    model = random_model()
    data = surprisal(model, VERSE)
    np.testing.assert_allclose(data["bits"], score.surprisal(model, VERSE) / math.log(2), rtol=1e-5)
    assert data["mean_bits"] == pytest.approx(charrnn.score(model, VERSE).bpc, rel=1e-6)
    assert [place["bits"] for place in data["places"]] == sorted(data["bits"], reverse=True)[:10]
    for place in data["places"]:
        n = place["at"]
        assert (place["character"], place["after"]) == (VERSE[n], VERSE[max(0, n - 30) : n])
        ids = model.vocabulary.encode("\n" + VERSE[:n])
        logits, _ = model.forward(ids[:, None], model.zero_state(1))
        p = np.exp(logits[-1, 0] - logits[-1, 0].max())
        p /= p.sum()
        best = np.argsort(-p)[:3]
        assert [e["character"] for e in place["expected"]] == [model.vocabulary.characters[v] for v in best]
        np.testing.assert_allclose([e["probability"] for e in place["expected"]], p[best], rtol=1e-3)
    assert [place["at"] for place in surprisal(model, "cat", places=None)["places"]] != []


def test_the_statistics_of_the_weights_are_theirs() -> None:
    model = random_model("gru", 2, H=4)
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))
    model.params["W_hh0"] = np.concatenate([q, 2 * q, 0.5 * q], axis=1).astype(np.float32)
    data = weights(model)
    radii = {(row["layer"], row["gate"]): row["spectral_radius"] for row in data["recurrent"]}
    assert [radii[0, gate] for gate in ("reset", "update", "candidate")] == pytest.approx([1, 2, 0.5], rel=1e-5)
    (W,) = (row for row in data["tensors"] if row["name"] == "decoder.weight")
    out = model.params["W_out"].astype(float)
    assert W["shape"] == [len(model.vocabulary), 4]
    assert (W["mean"], W["std"]) == pytest.approx((out.mean(), out.std()))
    assert (W["min"], W["max"], sum(W["histogram"])) == (out.min(), out.max(), out.size)
    assert data["dead"] == []
    model.params["W_ih1"][2] = model.params["W_hh0"][2] = 0
    model.params["W_out"][1] = model.params["W_hh1"][1] = 0
    assert weights(model)["dead"] == [{"layer": 0, "index": 2}, {"layer": 1, "index": 1}]


@pytest.mark.parametrize("by", [1e-30, 1e36])
def test_dead_units_do_not_depend_on_the_scale_of_the_weights(by: float) -> None:
    model = random_model("lstm", 2, H=4)
    dead = weights(model)["dead"]
    for name, p in model.params.items():
        model.params[name] = (p * by).astype(np.float32)
    assert weights(model)["dead"] == dead


def test_characters_with_equal_weights_are_neighbours() -> None:
    model = random_model(characters="abcdef\n")
    model.params["W_ih0"][1] = model.params["W_ih0"][4]  # a and d are alike when read
    model.params["W_out"][:, 2] = model.params["W_out"][:, 6]  # b and f are alike when expected
    data = {row["character"]: row for row in neighbours(model)["characters"]}
    for a, b, way in (("a", "d", "read"), ("d", "a", "read"), ("b", "f", "expected"), ("f", "b", "expected")):
        assert data[a][way][0] == {"character": b, "cosine": pytest.approx(1)}
        assert data[a]["plane"][way] == pytest.approx(data[b]["plane"][way])
    assert all(a["character"] not in {b["character"] for b in a["read"]} for a in data.values())


def test_bytes_that_are_not_ascii_have_names() -> None:
    characters = [row["character"] for row in neighbours(random_model(characters=None))["characters"]]
    assert (characters[65], characters[200]) == ("A", "\\xc8")


def test_only_the_most_expected_characters_of_a_large_vocabulary_are_compared() -> None:
    model = random_model(characters="".join(map(chr, range(0x4E00, 0x4E00 + 700))) + "\n", H=3)
    data = neighbours(model)
    assert (len(data["characters"]), data["left_out"]) == (500, 201)
    bias = dict(zip(model.vocabulary.characters, model.params["b_out"], strict=True))
    kept = {row["character"] for row in data["characters"]}
    assert min(bias[c] for c in kept) >= max(bias[c] for c in bias if c not in kept)


def test_expected_characters_are_those_at_the_byte_of_the_highest_surprisal() -> None:
    model = random_model(characters=None, scale=0.3)
    read = Text(model, "cat жук sat")
    (place,) = (place for place in surprisal(model, read.text, places=None)["places"] if place["at"] == 4)
    nats = score.surprisal(model, read.text)
    worst = 4 + int(nats[4:6].argmax())
    ids = np.concatenate(([model.vocabulary.start], read.ids[:worst])).astype(np.uint8)
    logits, _ = model.forward(ids[:, None], model.zero_state(1))
    best = int(logits[-1, 0].argmax())
    assert place["expected"][0]["character"] == (chr(best) if best < 128 else f"\\x{best:02x}")


# Clamped units


@pytest.mark.parametrize("value", [-1, -0.5, 0, 0.9, 1])
@pytest.mark.parametrize("cell", config.CELLS)
def test_a_clamped_unit_keeps_its_value(engine: Any, cell: str, value: float) -> None:
    model = replace(random_model(cell, 2), engine=engine)
    clamped = model.clamp_units({(0, 1): value, (1, 4): -value})
    found = activations(clamped, VERSE)
    np.testing.assert_allclose(found[0, 1], value, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[1, 4], -value, rtol=0, atol=2e-6)
    assert found[0, 0].std() > 0.01
    np.testing.assert_array_equal(model.params["W_hh0"], random_model(cell, 2).params["W_hh0"])
    text = "".join(charrnn.generate(clamped, length=500, seed=1))
    state = clamped.read(clamped.vocabulary.encode("\n" + text), clamped.zero_state(1))
    last = np.tanh(state[:, 1, 0]) if cell == "lstm" else state[:, 0, 0]
    np.testing.assert_allclose((last[0, 1], last[1, 4]), (value, -value), rtol=0, atol=2e-6)
    assert text != "".join(charrnn.generate(model, length=500, seed=1))


@pytest.mark.parametrize("value", [0, 0.5, 1, 3.7, 1e6])
def test_a_clamped_unit_of_relu_keeps_any_value_exactly(engine: Any, value: float) -> None:
    model = replace(random_model("rnn_relu", 2), engine=engine)
    clamped = model.clamp_units({(0, 1): value, (1, 4): 2 * value})
    found = activations(clamped, VERSE)
    np.testing.assert_array_equal(found[0, 1], np.float32(value))
    np.testing.assert_array_equal(found[1, 4], np.float32(2 * value))
    text = "".join(charrnn.generate(clamped, length=500, seed=1))
    state = clamped.read(clamped.vocabulary.encode("\n" + text), clamped.zero_state(1))
    assert (state[0, 0, 0, 1], state[1, 0, 0, 4]) == (np.float32(value), np.float32(2 * value))
    assert text != "".join(charrnn.generate(model, length=500, seed=1))


def test_the_values_to_which_a_unit_can_be_clamped_are_said() -> None:
    for cell, value, bounds in (
        ("lstm", 1.5, "from -1 to 1, not 1.5"),
        ("rnn", -2, "from -1 to 1, not -2"),
        ("rnn_relu", -0.5, "from 0 to 1e+30, not -0.5"),
        ("rnn_relu", math.inf, "from 0 to 1e+30, not inf"),
        ("rnn_relu", math.nan, "from 0 to 1e+30, not nan"),
    ):
        with pytest.raises(ConfigError, match=f"the value of a unit must be {re.escape(bounds)}$"):
            random_model(cell).clamp_units({(0, 0): value})
    largest = random_model("rnn_relu").clamp_units({(0, 0): 1e30})
    assert np.isfinite(charrnn.score(largest, "the cat").bpc)


def test_a_clamped_unit_keeps_its_value_where_rows_are_reset() -> None:
    model = random_model().clamp_units({(0, 1): 0.9})
    ids = model.vocabulary.encode("the cat sat")
    ((nats, chars),) = evaluation.losses(model, ValidationStream(ids))
    inputs = np.concatenate(([model.vocabulary.start], ids[:-1])).astype(ids.dtype)
    found, _ = model.token_nll(inputs[:, None], ids[:, None], model.zero_text_state(1))
    assert nats / chars == pytest.approx(found.mean(), rel=1e-5)


def test_only_existing_units_can_be_clamped_and_within_bounds() -> None:
    for unit, value in (((1, 0), 0.5), ((0, 6), 0.5), ((0, 0), 1.5), ((0, 0), math.nan)):
        with pytest.raises(ConfigError):
            random_model().clamp_units({unit: value})
    assert random_model().clamp_units({}).clamped is None
