"""The rows that the compiled cells look up themselves: with the results of an input that was looked up before."""

import importlib.util
from typing import Any

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.layers.workspace import Workspace
from support import naive
from support.cells import CELLS

if importlib.util.find_spec("numba") is None:
    pytest.skip("needs numba", allow_module_level=True)

from charrnn.engine.kernels.rows import Rows

PRECISIONS = sorted({"float32", engines.precision_to_compile("auto")})


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("T", "B", "V"), [(5, 3, 7), (4, 20, 2), (2, 3, 50), (1, 1, 1)])
def test_cells_look_rows_up_bit_for_bit(name: str, precision: str, T: int, B: int, V: int) -> None:
    rng, engine, G, H = np.random.default_rng(V), engines.load("numba", precision), naive.GATES[name], 33
    ids = rng.integers(V, size=(T, B)).astype(np.uint8)
    shapes = [(V, G * H), (G * H,), (H, G * H), *([(H,)] if name == "gru" else []), (naive.STATES[name], B, H)]
    W_ih, b, *recurrent, state = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    d_outputs, cell = rng.normal(size=(T, B, H)).astype(np.float32), getattr(engine, name)
    workspace = Workspace()
    rows = engine.embedding.forward(ids, W_ih, b, workspace)
    assert isinstance(rows, Rows)
    assert len(rows.table) == min(V, T * B)
    x = np.asarray(rows)
    np.testing.assert_array_equal(x, (W_ih + b)[ids])
    assert np.asarray(rows, np.float64).dtype == np.float64

    def results(x: Any, workspace: Workspace | None) -> list[bytes]:
        outputs, after, cache = cell.forward(x, *recurrent, state, workspace)
        outputs = outputs.copy()
        return [array.tobytes() for array in (outputs, after, *cell.backward(d_outputs.copy(), cache, workspace))]

    wanted = results(x.copy(), None)
    assert results(rows, None) == wanted
    for _ in range(2):  # again in the same memory: a table is not overwritten
        assert results(rows, workspace.scope("cell")) == wanted
        assert results(x.copy(), workspace.scope("other")) == wanted
