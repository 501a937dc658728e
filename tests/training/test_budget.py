"""The budget: the options that are chosen for a number of operations and a text."""

import math
from typing import Any

import numpy as np
import pytest

from charrnn import layers
from charrnn.config import CELLS, ModelConfig, TrainingConfig
from charrnn.training import budget
from charrnn.types import Indices

MINUTE = 1.7e13
"""Operations in a minute of two cores, about."""


def test_operations_are_those_of_the_matrix_products() -> None:
    H, V, T = 3, 5, 1
    products = [(H, 4 * H), (H, 4 * H), (H, 4 * H), (H, V)]  # W_hh twice, W_ih of the second layer, W_out
    assert budget.operations(ModelConfig(V, "lstm", H, 2)) == sum(3 * 2 * T * a * b for a, b in products)


@pytest.mark.parametrize(
    "given", [{}, {"cell": "gru"}, {"cell": "rnn", "layers": 3}, {"hidden_size": 77}, {"batch_size": 7}]
)
@pytest.mark.parametrize("N", [2, 1000, 10**5, 10**6, 10**9])
@pytest.mark.parametrize("minutes", [0.01, 1, 10, 600])
def test_given_options_are_kept_and_all_are_within_bounds(given: dict[str, Any], N: int, minutes: float) -> None:
    chosen = budget.choose(minutes * MINUTE, N, 65, given)
    assert given.items() <= chosen.items()
    model = ModelConfig(
        65,
        **{name: chosen.pop(name) for name in ("cell", "hidden_size", "layers", "dropout", "drop_connect")},
    )
    assert 32 <= model.hidden_size <= 4096
    assert 0 <= model.dropout < 0.8
    assert 0 <= model.drop_connect < 0.8
    assert 1e-4 < TrainingConfig(0, **chosen).lr < 0.05


def counts(frequent: int, rare: int, times: int = 1, N: int = 10**6) -> Indices:
    """The counts of so many characters that are frequent, and of others that occur a few times."""
    return np.array([N // frequent] * frequent + [times] * rare)


@pytest.mark.parametrize(
    ("found", "min_count"),
    [
        (counts(70, 3000), 2),
        (counts(70, 3000, 4), 5),
        (counts(70, 20_000), 0),  # 2 % of the text
        (counts(70, 100), 0),  # they cost little
        (counts(3000, 200), 0),  # they cost little beside the others
        (counts(70, 3000, 10), 0),  # they are not so rare
        (np.concatenate([counts(70, 3000), [7] * 20]), 2),  # a few more cost little
        (np.concatenate([counts(70, 3000), [3] * 900]), 4),
        (np.concatenate([counts(70, 3000), [6] * 2500]), 2),  # the others would be too large a share of the text
    ],
)
def test_characters_must_occur_a_few_times_if_rare_ones_cost_much(found: Indices, min_count: int) -> None:
    assert budget.choose_min_count(found, 30, {}) == min_count


def test_rare_characters_cost_a_large_network_less() -> None:
    found = counts(70, 1000)
    assert budget.choose_min_count(found, 30, {}) == budget.choose_min_count(found, 30, {"hidden_size": 128}) == 2
    assert budget.choose_min_count(found, 30, {"hidden_size": 2048}) == 0
    assert budget.choose_min_count(found, 10**6, {}) == 0


def test_rare_characters_of_short_lines_cost_as_much_as_in_the_network_that_reads_them() -> None:
    found = counts(70, 1000)
    assert budget.choose_min_count(found, 10**6, {}, 8) == budget.choose_min_count(found, 10**6, {"hidden_size": 384})
    assert budget.choose_min_count(found, 10**6, {}, 8) == 2
    assert budget.choose(10**6 * budget.TYPICAL_SPEED, 10**6, 1070, {}, 8)["hidden_size"] == 384


def test_more_time_makes_a_larger_network() -> None:
    sizes = [budget.choose(minutes * MINUTE, 10**6, 65, {})["hidden_size"] for minutes in (0.1, 1, 10, 100)]
    assert sizes == sorted(set(sizes))


def test_sixteen_times_the_operations_make_a_network_about_twice_as_wide() -> None:
    assert [budget.width(n * MINUTE, "lstm", 1) for n in (1 / 16, 1, 16, 256)] == [160, 320, 704, 1472]
    assert budget.width(3 / 4 * MINUTE, "gru", 1) == budget.width(MINUTE, "lstm", 1)
    assert budget.width(3 * MINUTE, "lstm", 2) == budget.width(MINUTE, "lstm", 1)


def test_more_time_makes_no_wider_network_for_short_lines() -> None:
    of_lines = [budget.choose(minutes * MINUTE, 75_000, 65, {}, 8)["hidden_size"] for minutes in (1, 10, 100)]
    of_text = [budget.choose(minutes * MINUTE, 200_000, 65, {})["hidden_size"] for minutes in (1, 10, 100)]
    assert of_lines == [192] * 3
    assert of_text == [320, 608, 1152]


def test_more_short_lines_are_read_side_by_side() -> None:
    sizes = [budget.choose(MINUTE, 10**6, 65, {}, line)["batch_size"] for line in (1, 8, 20, 64, 5000)]
    assert sizes == [256, 256, 102, 32, 32]


def test_less_text_has_more_dropout() -> None:
    found = [budget.choose(3 * MINUTE, N, 65, {}) for N in (10**7, 10**6, 10**5)]
    assert [each["drop_connect"] for each in found] == sorted(each["drop_connect"] for each in found)
    assert found[-1]["drop_connect"] > found[0]["drop_connect"]
    assert found[-1]["dropout"] >= found[0]["dropout"]


def test_the_number_of_gates_is_that_of_the_cells() -> None:
    assert [budget.gates(cell) for cell in ("rnn", "gru", "lstm")] == [1, 3, 4]
    assert {cell: getattr(layers, cell).GATES for cell in CELLS} == {cell: budget.gates(cell) for cell in CELLS}


@pytest.mark.parametrize(("layout", "cell", "widest"), [("labels", "gru", 128), ("tags", "lstm", 192)])
def test_networks_of_whole_texts_are_narrow_and_have_dropout(layout: Any, cell: str, widest: int) -> None:
    found = budget.choose(60 * MINUTE, 10**6, 65, {"layout": layout})
    assert (found["cell"], found["layers"], found["hidden_size"]) == (cell, 1, widest)
    assert (found["dropout"], found["drop_connect"], found["schedule"]) == (0.4, 0.3, "linear")
    assert budget.choose(0.01 * MINUTE, 10**6, 65, {"layout": layout})["hidden_size"] < widest
    given: Any = {"layout": layout, "cell": "rnn", "dropout": 0.1, "hidden_size": 400, "lr": 0.3}
    assert given.items() <= budget.choose(MINUTE, 10**6, 65, given).items()


@pytest.mark.parametrize("cell", CELLS)
def test_a_given_cell_is_kept(cell: str) -> None:
    assert budget.choose(MINUTE, 10**6, 65, {"cell": cell})["cell"] == cell


def test_what_is_chosen_for_a_megabyte_does_not_change() -> None:
    network = {"cell": "lstm", "layers": 1, "seq_length": 64, "schedule": "linear", "clip": 1.0}
    network |= {"optimizer": "adamw", "weight_decay": 0.03}
    found = budget.choose(MINUTE, 10**6, 65, {})
    assert found == network | {
        "hidden_size": 320,
        "lr": 0.01137,
        "dropout": 0.07,
        "drop_connect": 0.07,
        "batch_size": 32,
    }
    found = budget.choose(1e13, 10**6, 65, {"layout": "lines"}, 8)
    assert found == network | {
        "layout": "lines",
        "hidden_size": 288,
        "lr": 0.01199,
        "dropout": 0.02,
        "drop_connect": 0.02,
        "batch_size": 256,
    }


@pytest.mark.parametrize(
    ("N", "line"),
    [(700, 7), (15_000, 7), (39_999, 20), (700, math.inf), (40_000, 70), (40_000, math.inf), (149_999, math.inf)],
)
def test_more_time_changes_nothing_once_a_text_is_used_up(N: int, line: float) -> None:
    found = [budget.choose(hours * 60 * MINUTE, N, 65, {}, line) for hours in (10, 100)]
    assert found[0] == found[1]
    assert found[0]["lr"] == 0.01
    assert found[0]["dropout"] == found[0]["drop_connect"] >= 0.4
    assert 64 <= found[0]["hidden_size"] <= 256
    sparse = {"dropout": 0.1, "hidden_size": 300, "batch_size": 9, "lr": 0.02}
    assert sparse.items() <= budget.choose(MINUTE, N, 65, sparse, line).items()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("N", "given", "expected"),
    [
        (10**6, {"weight_decay": 0.1}, ("adamw", 0.1)),
        (10**6, {"optimizer": "adam"}, ("adam", None)),
        (10**6, {"optimizer": "sgd"}, ("sgd", None)),
        (1000, {}, (None, None)),  # a text that is used up
        (1000, {"weight_decay": 0.1}, ("adamw", 0.1)),
    ],
)
def test_weights_decay_unless_the_optimizer_is_given(N: int, given: Any, expected: tuple[object, object]) -> None:
    found = budget.choose(MINUTE, N, 65, given)
    assert (found.get("optimizer"), found.get("weight_decay")) == expected


def test_few_data_have_smaller_batches_and_networks() -> None:
    found = [budget.choose(10 * MINUTE, N, 65, {}, 7) for N in (2000, 15_000, 30_000, 40_000)]
    assert [each["batch_size"] for each in found] == [32, 32, 64, 256]
    assert [each["hidden_size"] for each in found] == [64, 128, 160, 160]


def test_a_text_that_is_not_used_up_in_the_time_is_read_as_before() -> None:
    found = budget.choose(0.1 * MINUTE, 100_000, 65, {})
    assert found["dropout"] < 0.4
    assert found["lr"] > 0.01
