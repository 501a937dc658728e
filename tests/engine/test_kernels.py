"""The compiled engine: on other processors, in parallel, its cache, and its optimizer."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.config import TrainingConfig
from charrnn.engine import Engine
from charrnn.layers.workspace import Workspace
from charrnn.training import optimizers
from support.processes import environment, python

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")

AGREE = """
import sys
import numpy as np
from charrnn import generate
from charrnn import engine as engines
from charrnn.config import CELLS, ModelConfig, SamplingConfig
from charrnn.dataset.batch import Batch
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.engine.kernels import simd
from charrnn.layers.workspace import Workspace
from charrnn.model.initialization import initial_params
from charrnn.model.model import Model
from charrnn.model.network import Network

assert simd.REGISTER_BYTES == int(sys.argv[1]), simd.REGISTER_BYTES
samples = sys.argv[2] == "True"
for cell, nonlinearity in (*((cell, "tanh") for cell in CELLS), ("rnn", "relu")):
    config = ModelConfig(11, cell, 37, 2, nonlinearity=nonlinearity)
    found = []
    for name in ("numpy", "numba"):
        network = Network(config, engines.load(name))
        params = initial_params(network, np.random.default_rng(2))
        ids = np.random.default_rng(3).integers(11, size=(9, 7)).astype(np.uint8)
        state = np.random.default_rng(4).normal(size=(2, network.cell.STATES, 7, 37)).astype(np.float32)
        loss, grads, after = network.loss_and_gradients(params, Batch(ids, ids[::-1]), state)
        text = ""
        if samples:
            model = Model(config, Vocabulary("abcdefghijk"), params, network.engine)
            text = "".join(generate(model, length=50, seed=5, config=SamplingConfig(0.8, 5)))
        found.append((loss, grads, after, text))
    (loss, grads, after, text), (loss2, grads2, after2, text2) = found
    np.testing.assert_allclose(loss2, loss, rtol=1e-5)
    np.testing.assert_allclose(after2, after, rtol=1e-4, atol=1e-5)
    for name in grads:
        np.testing.assert_allclose(grads2[name], grads[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert text == text2

rng, found = np.random.default_rng(5), []
Td, B, Ts, H, E = 7, 5, 11, 37, 21
h, encoded, W_a, W_c, b_c = (
    rng.normal(scale=0.5, size=shape).astype(np.float32)
    for shape in ((Td, B, H), (Ts, B, E), (E, H), (H + E, H), (H,))
)
for name in ("numpy", "numba"):
    attention, workspace = engines.load(name).attention, Workspace()
    outputs, cache = attention.forward(h, encoded, np.array([3, 11, 1, 8, 11]), W_a, W_c, b_c, workspace)
    found.append((outputs, attention.weights(cache), *attention.backward(h, cache, workspace)))
for n, (array, other) in enumerate(zip(*found)):
    np.testing.assert_allclose(other, array, rtol=1e-3, atol=1e-4, err_msg=n)
print("agreed")
"""


def register_bytes() -> int:
    """The width of this processor's registers, as the kernels use them."""
    from charrnn.engine.kernels import simd

    return simd.REGISTER_BYTES


@pytest.mark.parametrize(
    ("cpu", "features", "register", "samples"), [("generic", "", 16, True), ("generic", "+avx2,+fma", 32, False)]
)
def test_the_engines_agree_on_processors_with_narrower_registers(
    cpu: str, features: str, register: int, samples: bool, tmp_path: Path
) -> None:
    """One of them draws samples too: the decoder takes longest to compile, and computes with the steps of the cells."""
    if register >= register_bytes():
        pytest.skip("this processor's registers are no wider: all other tests use them")
    cache = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    assert python(AGREE, register, samples, **cache) == "agreed\n"


RACE = """
import numpy as np
from charrnn import engine as engines
from charrnn.engine import compile_cache
from charrnn.layers.workspace import Workspace

embedding, softmax = engines.load("numba").embedding, engines.load("numba").softmax
ids, W = np.arange(6).reshape(2, 3) % 5, np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
x = np.asarray(embedding.forward(ids, W, W[0], Workspace()))
dW = embedding.backward(x, ids, 5, Workspace())
rows, targets = x.reshape(6, 7), ids.ravel()
print(dW.tolist(), softmax.token_nll(rows.copy(), targets).tolist(), softmax.cross_entropy(rows, targets)[0])
assert not compile_cache.failures
"""


def test_processes_that_compile_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    line, env = [sys.executable, "-c", RACE], environment({"NUMBA_CACHE_DIR": str(tmp_path)})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [subprocess.Popen(line, env=env, **pipes) for _ in range(3)]
    printed = [process.communicate() for process in running]
    assert [err for _, err in printed] == [b""] * 3
    assert len({out for out, _ in printed}) == 1
    code = {path.name.partition("-")[0] for path in tmp_path.rglob("*.nbc")}
    assert code >= {"embedding._look_up", "embedding._add_rows", "softmax._token_nll", "softmax._cross_entropy"}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_compiled_adam_takes_the_steps_of_the_reference(engine: Engine, dtype: type) -> None:
    if engine.adam is None:
        pytest.skip("this engine has no Adam of its own")
    rng, config = np.random.default_rng(3), TrainingConfig(steps=1)
    compiled = [rng.normal(size=(5, 7)).astype(dtype), *np.zeros((2, 5, 7), dtype)]
    reference = [array.copy() for array in compiled]
    for t in range(1, 6):
        d = rng.normal(size=(5, 7)).astype(dtype)
        for step, (p, m, v) in ((engine.adam, compiled), (optimizers.adam, reference)):
            step(p, d, m, v, 0.01, t, config)
    for array, other in zip(compiled, reference, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_weights_that_do_not_change_are_packed_once() -> None:
    from charrnn.engine.kernels.matmul import pack
    from support.random_models import random_model

    model, packed = random_model("lstm", layers=2, engine=engines.load("numba")), {}
    for ids in (np.zeros((6, 1), np.uint8), np.arange(3, dtype=np.uint8)[:, None]):
        wanted = model.state_after(ids, model.zero_state(1))
        np.testing.assert_array_equal(model.state_after(ids, model.zero_state(1), Workspace(packed)), wanted)
    W = model.params["W_hh1"]
    assert len(packed) == 3
    assert pack(W, Workspace(packed)) is packed[id(W), False][1]
    assert pack(W, Workspace(packed), transposed=True) is not packed[id(W), False][1]
    assert pack(W, Workspace()) is not packed[id(W), False][1]


def test_all_compiled_code_is_in_the_kernels_folder() -> None:
    code = """
import sys
from charrnn import engine
from numba.core.dispatcher import Dispatcher
from numba.extending import _Intrinsic

engine.load("numba")
modules = [module for name, module in sys.modules.items() if name.startswith("charrnn")]
values = [value for module in modules for value in vars(module).values()]
compiled = [value for value in values if isinstance(value, Dispatcher | _Intrinsic)]
print(len(compiled) > 20, {value.__module__.rpartition(".")[0] for value in compiled})
"""
    assert python(code) == "True {'charrnn.engine.kernels'}\n"
