"""The workspace: arrays are reused, and scopes do not share them."""

import numpy as np

from charrnn.layers.workspace import Workspace


def test_an_array_is_reused_while_it_is_large_enough_and_of_the_same_type() -> None:
    workspace = Workspace()
    first = workspace.empty("h", (4, 3), np.float32)
    assert np.shares_memory(first, workspace.empty("h", (2, 5), np.float32))
    assert not np.shares_memory(first, workspace.empty("h", (4, 4), np.float32))
    grown = workspace.empty("h", (4, 4), np.float32)
    other_type = workspace.empty("h", (2, 2), np.float64)
    assert other_type.dtype == np.float64
    assert not np.shares_memory(grown, other_type)


def test_an_array_is_the_same_until_another_shape_or_type_is_asked_for() -> None:
    workspace = Workspace()
    first = workspace.empty("h", (4, 3), np.float32)
    assert workspace.empty("h", (4, 3), np.float32) is first
    assert workspace.empty("h", (3, 4), np.float32).shape == (3, 4)
    assert workspace.empty("h", (4, 3), np.int32).dtype == np.int32
    again = workspace.empty("h", (4, 3), np.float32)
    assert (again.shape, again.dtype) == ((4, 3), np.float32)


def test_arrays_of_other_names_and_of_other_scopes_are_separate() -> None:
    workspace = Workspace()
    arrays = [
        owner.empty(name, (3,), np.float32)
        for owner in (workspace, workspace.scope("layer 0"), workspace.scope("layer 1"))
        for name in ("h", "c")
    ]
    assert not any(np.shares_memory(a, b) for n, a in enumerate(arrays) for b in arrays[:n])
    assert workspace.scope("layer 0") is workspace.scope("layer 0")


def test_zeros_are_zero_and_arrays_contiguous_after_any_use() -> None:
    workspace = Workspace()
    workspace.empty("h", (5, 5), np.float32)[:] = 7
    zeros = workspace.zeros("h", (2, 3), np.float32)
    assert (zeros == 0).all()
    assert zeros.flags.c_contiguous
