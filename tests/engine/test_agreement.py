"""The two versions of each layer: a change of the page in `layers/` that its compiled version lacks is told here."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn import layers
from charrnn.engine.precision import problem_with_bfloat16
from charrnn.errors import EngineError
from charrnn.layers.workspace import Workspace
from support import naive
from support.cells import CELLS
from support.narrow import product as narrow_product

ROOT = Path(__file__).parents[2]
OTHERS = ("dropout", "embedding", "linear", "softmax", "attention", "matmul", "narrow")
COMPILED = {name: name for name in (*CELLS, *OTHERS)} | {"activations": "simd"}
"""The modules of `layers/` that are compiled, and their compiled versions in `engine/kernels/`."""


def cell(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The results of a cell."""
    T, B, H, G = 5, 3, 17, naive.GATES[name]
    x, W_hh = rng.normal(size=(T, B, G * H)), rng.normal(size=(H, G * H)) / H**0.5
    recurrent = [W_hh, rng.normal(size=H)] if name == "gru" else [W_hh]
    outputs, state, cache = module.forward(x, *recurrent, rng.uniform(-0.9, 0.9, (naive.STATES[name], B, H)))
    found = {"outputs": outputs, "state": state}
    gradients = module.backward(rng.normal(size=(T, B, H)), cache)
    return found | dict(zip(("dx", *(f"d{p}" for p in module.RECURRENT), "d_state"), gradients, strict=True))


def dropout(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Arrays of which some values are dropped: rows that are blocks of random numbers and more, and equal rows."""
    x, rows, found = rng.normal(size=(3, 2061)), np.array([7, 2, 1 << 40]), {}
    for key, source in (("dropped", x), ("of equal rows", x[:1])):
        found[key] = np.empty_like(x)
        module.drop(source, found[key], 0.4, (1 << 63) - 25, rows)
    module.drop(x, x, 0.4, 5, rows)
    return found | {"in place": x}


def embedding(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The results of the embedding."""
    ids, W, b = rng.integers(7, size=(5, 3)).astype(np.uint8), rng.normal(size=(7, 12)), rng.normal(size=12)
    x = module.forward(ids, W, b, Workspace())
    return {"x": x, "dW_ih": module.backward(rng.normal(size=x.shape), ids, 7, Workspace())}


def linear(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The results of the linear layer."""
    x, W, b, dy = (rng.normal(size=shape) for shape in ((9, 17), (17, 6), (6,), (9, 6)))
    found = dict(zip(("dx", "dW", "db"), module.backward(dy, x, W, Workspace()), strict=True))
    return found | {"y": module.forward(x, W, b, Workspace())}


def softmax(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The results of the loss."""
    logits, targets = rng.normal(size=(9, 17)), rng.integers(17, size=9).astype(np.uint8)
    loss, d_logits = module.cross_entropy(logits.copy(), targets)
    found = {"log p": module.log_softmax(logits), "-log p": module.token_nll(logits.copy(), targets)}
    return found | {"loss": loss, "d_logits": d_logits}


def attention(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The results of attention."""
    Td, B, Ts, H, E = 4, 3, 6, 17, 5
    h, encoded, W_a, W_c, b_c, d = (
        rng.normal(size=shape) for shape in ((Td, B, H), (Ts, B, E), (E, H), (H + E, H), (H,), (Td, B, H))
    )
    workspace = Workspace()
    outputs, cache = module.forward(h, encoded, np.array([6, 1, 4]), W_a, W_c, b_c, workspace)
    found = {"outputs": outputs.copy(), "weights": module.weights(cache).copy()}
    gradients = module.backward(d, cache, workspace)
    return found | dict(zip(("dh", "d_encoded", "dW_a", "dW_c", "db_c"), gradients, strict=True))


def matmul(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """A product in bfloat16, or in float32 where the compiled engine has no other: of whole numbers, so it is exact."""
    a, b = (rng.integers(-280, 281, shape).astype(np.float32) for shape in ((9, 17), (17, 6)))
    precision = "float32" if problem_with_bfloat16() else "bfloat16"
    if module is layers.matmul:
        return {"product": module.matmul_in(precision)(a, b)}
    return {"product": module.matmul(a, b, Workspace(), precision=precision)}


def narrow(module: Any, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Products by narrow weights: of whole numbers and with steps of 1, so they are exact."""
    a, W = (rng.integers(-127, 128, shape).astype(np.float32) for shape in ((9, 17), (17, 6)))
    a[:, 0] = W[0] = 127
    product = layers.narrow.matmul_with if module is layers.narrow else narrow_product
    return {name: product(name)(a, layers.narrow.round_weights(W, name)) for name in ("bfloat16", "int8")}


def results(module: Any, name: str) -> dict[str, Any]:
    """What a layer of an engine computes, forward and backward, of the same random arguments."""
    compute: Callable[..., dict[str, Any]] = {
        "dropout": dropout,
        "embedding": embedding,
        "linear": linear,
        "softmax": softmax,
        "attention": attention,
        "matmul": matmul,
        "narrow": narrow,
    }.get(name, cell)
    return compute(module, name, np.random.default_rng(1))


def assert_agree(name: str) -> None:
    """Fails if the two versions of a layer compute different values."""
    try:
        compiled = engines.load("numba")
    except EngineError as error:
        pytest.skip(str(error))
    reference, found = results(getattr(layers, name), name), results(getattr(compiled, name), name)
    wrong = [what for what in reference if not np.allclose(found[what], reference[what], rtol=1e-9, atol=1e-9)]
    assert not wrong, (
        f"charrnn/layers/{name}.py and charrnn/engine/kernels/{name}.py differ in {', '.join(wrong)}: "
        "a change of one has to be made in the other"
    )


@pytest.mark.parametrize("name", [*CELLS, *OTHERS])
def test_the_compiled_version_computes_what_the_page_does(name: str) -> None:
    assert_agree(name)


# What finds a change in one version only


def forgetting(function: Callable[..., Any], part: int | None) -> Callable[..., Any]:
    """The function with a small error in its result, or in one of its parts."""

    def changed(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if part is None:
            return result * 1.001
        return tuple(value * 1.001 if n == part else value for n, value in enumerate(result))

    return changed


@pytest.mark.parametrize(
    ("name", "function", "part", "told"),
    [
        *((name, "forward", 0, "outputs") for name in CELLS),
        *((name, "backward", 1, "dW_hh") for name in CELLS),
        ("embedding", "forward", None, "x"),
        ("embedding", "backward", None, "dW_ih"),
        ("linear", "forward", None, "y"),
        ("linear", "backward", 2, "db"),
        ("softmax", "token_nll", None, "-log p"),
        ("softmax", "cross_entropy", 1, "d_logits"),
        ("matmul", "bfloat16_matmul", None, "product"),
        ("matmul", "bfloat16", None, "product"),
        ("narrow", "int8_matmul", None, "int8"),
        ("attention", "forward", 0, "outputs"),
        ("attention", "backward", 3, "dW_c"),
    ],
)
def test_a_change_of_the_page_alone_is_told(
    name: str, function: str, part: int | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page: ModuleType = getattr(layers, name)
    if name == "matmul" and problem_with_bfloat16():
        pytest.skip("the compiled engine has no bfloat16 here")
    monkeypatch.setattr(page, function, forgetting(getattr(page, function), part))
    with pytest.raises(AssertionError, match=rf"kernels/{name}\.py differ in {told}: a change of one has to be made"):
        assert_agree(name)


# What the pages say


def test_every_page_says_which_compiled_version_has_to_follow() -> None:
    pages = {path.stem: path for path in (ROOT / "charrnn" / "layers").glob("*.py")}
    assert pages.keys() == {*COMPILED, "workspace", "__init__"}
    for name, path in pages.items():
        text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
        if name in COMPILED:
            twin = f"engine/kernels/{COMPILED[name]}.py"
            assert (ROOT / "charrnn" / twin).exists()
            assert "Edits here show with `--engine numpy`." in text, path
            assert f"`{twin}`, the compiled version, has to follow: `tests/engine/test_agreement.py`" in text, path
    readme = (ROOT / "charrnn" / "layers" / "README.md").read_text(encoding="utf-8")
    assert all(words in readme for words in ("--engine numpy", "engine/kernels/", "tests/engine/test_agreement.py"))
