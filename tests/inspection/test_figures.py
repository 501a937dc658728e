"""The figures that belong to no view: what is drawn where."""

import numpy as np
import pytest

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.inspection.figures import MAX_COUNTED, confusion, history
from charrnn.inspection.history import history as history_of
from charrnn.training.state import Evaluation
from support.inspection import random_model, random_reader


def axes_of(panel):
    """The axes with a panel."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    panel.draw(axes)
    return axes


def drawn(labels, counts):
    """The axes with a confusion matrix."""
    (panel,) = confusion(labels, counts)
    return axes_of(panel)


def test_a_confusion_matrix_has_its_counts_in_their_places_and_the_shares_of_rows_as_colours():
    counts = np.array([[1200, 400, 0], [0, 0, 0], [1, 0, 3]])
    axes = drawn(("a", "b\t", "c d"), counts)
    texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert texts == {(0, 0): "1,200", (0, 1): "400", (2, 0): "1", (2, 2): "3"}
    shares = [[0.75, 0.25, 0], [0, 0, 0], [0.25, 0, 0.75]]
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b⇥", "c d"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("expected", "found")


def test_of_many_labels_only_the_colours_are_drawn():
    n = MAX_COUNTED + 1
    axes = drawn([str(k) for k in range(n)], np.eye(n, dtype=np.int64))
    assert not axes.texts
    np.testing.assert_array_equal(axes.images[0].get_array(), np.eye(n))


@pytest.mark.parametrize(
    ("forms", "units"),
    [
        ((), "character"),
        (("translator",), "character"),
        (("classifier",), "label"),
        (("tagger", "tagger"), "tag"),
        (("language_model", "tagger"), "character or tag"),
    ],
)
def test_the_losses_of_a_history_are_in_nats_per_what_was_predicted(forms, units):
    rows = [Evaluation(step=4, epoch=0, lr=0.1, train_loss=2.0, val_loss=1.5)]
    models = [random_model(H=3) if form == "language_model" else random_reader(form) for form in forms]
    losses, _ = history([("m", history_of(Checkpoint(model, history=rows))) for model in models])
    axes = axes_of(losses)
    assert axes.get_ylabel() == f"loss, nats per {units}"
    assert [[*line.get_ydata()] for line in axes.lines] == [[2.0], [1.5]] * len(forms)
