"""The figures that belong to no view: what is drawn where."""

import numpy as np
import pytest

from charrnn.inspection.figures import MAX_COUNTED, confusion


def drawn(labels, counts):
    """The axes with a confusion matrix."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    (panel,) = confusion(labels, counts)
    axes = Figure().subplots()
    panel.draw(axes)
    return axes


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
