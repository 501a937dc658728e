"""The diagnosis: what is measured at the end of a run says what would help."""

from collections.abc import Iterable
from typing import Any

import pytest

from charrnn.training.diagnosis import Findings, diagnose
from charrnn.training.state import Evaluation

FALLING = [(2.5, 2.4), (2.1, 2.1), (1.9, 1.95), (1.8, 1.85)]
FLAT = [(1.7, 1.72), (1.65, 1.67), (1.64, 1.66), (1.63, 1.65)]


def says(losses: Iterable[tuple[float | None, float | None]], train_loss: float | None = None, **others: Any) -> str:
    """What is said after evaluations with these losses, one in each epoch unless the epochs are given."""
    rows = [Evaluation(10 * n, n, 0.01, train, val) for n, (train, val) in enumerate(losses, 1)]
    epochs = others.pop("epochs", float(len(rows)))
    return diagnose(Findings(rows, train_loss, epochs, **others)) or ""


@pytest.mark.parametrize(
    ("losses", "train_loss", "expected"),
    [
        (FALLING, 1.8, "More time"),
        (FALLING, 1.6, "the training text, without dropout, is 1.600. More time would help most, then more text."),
        ([(2.0, 2.05), (1.8, 1.744), (1.7, 1.7), (1.6, 1.658)], 1.401, "half-way; the loss on the training text"),
        ([(2.0, 2.05), (1.8, 1.737), (1.7, 1.7), (1.6, 1.658)], 1.401, "half-way; the loss on the training text"),
        ([(2.0, 2.05), (1.8, 1.735), (1.7, 1.7), (1.6, 1.660)], 1.401, "1.401. More text would help most"),
        ([(2.0, 2.05), (1.8, 1.74), (1.7, 1.6), (1.6, 1.62)], 1.401, "rose after that"),
        ([(1.5, 1.6), (1.4, 1.52), (1.35, 1.51), (1.3, 1.50)], 1.3, "More text"),
        ([(1.5, 1.6), (1.5, 1.52), (1.5, 1.51), (1.5, 1.50)], 1.3, "More text"),
        (FLAT, 1.6, "larger model"),
        ([(1.5, 1.6), (1.3, 1.5), (1.1, 1.55), (0.9, 1.7)], 1.1, "rose after that"),
        ([(3.4, 3.98), (0.6, 5.11)], 2.9, "rose after that"),  # as soon as there are two evaluations
        ([(2.4, 2.5), (1.1, 2.9)], None, "rose after that"),
        ([(1.9, 2.4)], 1.7, "More text"),
        ([(2.15, 4.19), (1.63, 4.40), (1.54, 4.55), (1.48, 4.43)], 1.9, "of another kind"),
        ([(3.67, 5.49), (2.98, 5.05), (2.74, 4.99)], None, "of another kind"),
        ([(2.1, 2.9)], None, "of another kind"),
        ([(2.5, 2.4), (2.1, 2.1), (2.6, 2.7)], 2.0, "lower --lr"),
        ([(None, 2.2), (2.1, 2.1), (1.9, 2.3)], 1.9, "rose after that"),  # from another model's weights
    ],
)
def test_it_says_what_would_help(
    losses: list[tuple[float | None, float]], train_loss: float | None, expected: str
) -> None:
    assert expected in says(losses, train_loss)


def after(steps: list[int], losses: list[tuple[float | None, float]]) -> str:
    """What is said after evaluations at these steps."""
    rows = [Evaluation(step, n, 0.01, *both) for n, (step, both) in enumerate(zip(steps, losses, strict=True), 1)]
    return diagnose(Findings(rows, 1.9, 9.0)) or ""


@pytest.mark.parametrize(
    ("steps", "losses", "expected"),
    [
        ([58, 116, 174, 178], [(2.5, 2.4), (2.1, 2.1), (1.9, 1.95), (2.2, 1.97)], "still improving"),
        ([58, 116, 174, 178], [(2.0, 2.05), (1.9, 2.0), (1.9, 1.99), (2.2, 2.1)], "larger model"),
        ([58, 116, 174, 178], [(2.5, 2.4), (1.9, 1.95), (2.2, 2.3), (2.0, 2.2)], "lower --lr"),
        (
            [58, 116, 174, 178],
            [(2.0, 2.05), (1.9, 1.95), (1.5, 2.3), (2.2, 2.2)],
            "overfitting: the validation loss was",
        ),
        ([50, 100, 150, 170], [(2.5, 2.4), (2.1, 2.1), (1.9, 1.95), (2.2, 1.99)], "still improving"),
        ([50, 100, 150, 180], [(2.5, 2.4), (2.1, 2.1), (1.9, 1.95), (2.2, 2.2)], "lower --lr"),
        (
            [50, 100, 103, 150],
            [(2.5, 2.4), (2.1, 2.1), (1.1, 2.0), (2.0, 2.2)],
            "overfitting: the validation loss was",
        ),
        ([0, 50, 100, 104], [(None, 2.2), (2.1, 2.1), (1.9, 1.9), (2.2, 1.99)], "still improving"),
        ([4, 8], [(2.1, 2.2), (2.3, 2.4)], "lower --lr"),
    ],
)
def test_losses_after_few_steps_are_no_evidence_of_a_rise(
    steps: list[int], losses: list[tuple[float | None, float]], expected: str
) -> None:
    assert expected in after(steps, losses)


def test_a_text_that_is_used_up_and_overfitted_needs_more_text_however_its_loss_falls() -> None:
    for train_loss, expected in (
        (1.6, "More text would help most"),
        (1.8, "More epochs, with --epochs, would help most"),
    ):
        assert expected in says(FALLING, train_loss, is_used_up=True)


@pytest.mark.parametrize("losses", [[(2.0, 2.101)], [(2.2, 2.2), (2.0, 2.05)], [(2.1, 1.95)]])
def test_a_network_that_does_worse_than_a_table_needs_more_time(losses: list[tuple[float, float]]) -> None:
    for table, tells in ((1.9, True), (2.4, False), (None, False)):
        for has_ngrams, said in (
            (
                False,
                "a table of contexts needs less for the same text. More time would help most. --ngrams 7 mixes one in.",
            ),
            (True, "the n-grams need less for the same text. More time would help most."),
        ):
            assert says(losses, 1.9, table=table, has_ngrams=has_ngrams) == f"underfitting: {said}" * tells
    assert "overfitting" in says(losses, 1.5, table=1.9)
    assert "larger model" in says(FLAT, 1.6, table=1.2)


@pytest.mark.parametrize("losses", [[], [(2.0, None)], [(2.0, None)] * 5])
def test_a_text_that_is_too_short_to_validate_needs_more_text(losses: list[tuple[float, None]]) -> None:
    assert "More text would help most; --val-file" in says(losses, 1.8, is_too_short=True)
    assert says(losses, 1.8, is_too_short=False) == ""
    assert "of another kind" in says(losses, 1.8, is_too_short=True, is_of_another_kind=True)


@pytest.mark.parametrize("losses", [FALLING, FLAT])
def test_only_what_is_measured_without_dropout_counts(losses: list[tuple[float, float]]) -> None:
    found = {says([(train + dropout, val) for train, val in losses], 1.6) for dropout in (0, 0.05, 0.4)}
    assert len(found) == 1


def test_a_network_that_overfits_is_not_taken_for_a_text_of_another_kind() -> None:
    late = [Evaluation(1000 * n, 50 * n, 0.01, 0.5 / n, 3.0 + n) for n in (1, 2, 3)]
    assert "overfitting" in (diagnose(Findings(late, 0.1, 150)) or "")
    assert "overfitting" in says([(2.0, 3.98), (1.5, 5.11)], 1.9, is_at_random=True)


def test_a_text_that_is_known_to_be_of_another_kind_needs_no_losses() -> None:
    for losses in ([], [(2.0, 2.0)], [(2.0, 2.0)] * 5):
        assert "--val-spread or --val-file" in says(losses, 1.0, is_of_another_kind=True)


@pytest.mark.parametrize(("losses", "train_loss"), [([(2.0, 2.0)], 1.9), (FLAT, 1.6), (FALLING, 1.8)])
def test_a_text_that_was_not_read_once_needs_more_time(losses: list[tuple[float, float]], train_loss: float) -> None:
    assert "only 30% of the text was read. More time" in says(losses, train_loss, epochs=0.3)
    assert "rose after that" in says([(2.0, 2.0), (1.9, 2.3)], train_loss, epochs=0.3)


@pytest.mark.parametrize(
    ("losses", "others"),
    [
        ([(0.2, 0.1), (0.01, 0.008)], {}),
        ([(0.01, 0.0012), (0.008, 0.0011), (0.004, 0.0015)], {}),  # a rise of nearly nothing
        ([(0.4, 0.3), (0.3, 0.2), (0.2, 0.1)], {"accuracy": 1.0, "n_held_out": 40, "unit": "label"}),
        ([(0.4, 0.03), (0.3, 0.02), (0.2, 0.021)], {"accuracy": 1.0, "n_held_out": 40, "unit": "tag"}),
    ],
)
def test_a_task_that_is_solved_needs_nothing(losses: list[tuple[float, float]], others: dict[str, Any]) -> None:
    assert says(losses, 0.001, **others).startswith("solved: ")


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.99])
def test_answers_that_are_not_all_right_are_not_solved(accuracy: float) -> None:
    losses = [(0.4, 0.3), (0.3, 0.2), (0.2, 0.1)]
    assert says(losses, 0.1, accuracy=accuracy, n_held_out=40, unit="label") == ""
    assert "still improving" in says(losses, 0.1, accuracy=accuracy, n_held_out=40, unit="tag")


@pytest.mark.parametrize("losses", [[], [(2.0, 2.0)], [(2.0, 2.0), (1.9, 1.9)], [(2.0, None)] * 5])
def test_it_says_nothing_after_too_few_evaluations(losses: list[tuple[float, float | None]]) -> None:
    assert says(losses, 1.8) == ""
    assert says(losses, 1.8, epochs=0.0, table=1.0) == ""  # no step was taken


def test_a_loss_that_is_lowest_at_the_end_did_not_rise() -> None:
    rows = [Evaluation(470, 4, 0.01, 1.9, 1.99), Evaluation(520, 5, 0.0, 1.6, 1.9)]  # the last after few steps
    assert "the training text, without dropout, is 1.700" in (diagnose(Findings(rows, 1.7, 5.0)) or "")
    assert "rose" not in (diagnose(Findings(rows, 1.88, 5.0)) or "")
