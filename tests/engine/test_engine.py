"""The compiled engine on other machines than this one, and where it keeps what it compiles."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import SMALL, TEXT, command, environment

import charrnn
from charrnn import engine as engines
from charrnn.engine import selection
from charrnn.errors import ConfigError, EngineError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")
NUMBA = (*SMALL, "--engine", "numba", "--cell", "rnn", "--steps", "3", "--quiet")

AGREE = """
import sys
import numpy as np
from charrnn import engine, network, sampling
from charrnn.engine.kernels import simd
from charrnn.config import ModelConfig, SamplingConfig
from charrnn.model import Model
from charrnn.vocabulary import Vocabulary

assert simd.REGISTER == int(sys.argv[1]), simd.REGISTER
rng = np.random.default_rng(1)
for cell in ("rnn", "gru", "lstm"):
    config = ModelConfig(11, cell, 37, 2)
    found = []
    for name in ("numpy", "numba"):
        loaded = engine.load(name)
        params = network.initial_params(config, loaded, np.random.default_rng(2))
        ids = np.random.default_rng(3).integers(11, size=(9, 7)).astype(np.uint8)
        state = np.random.default_rng(4).normal(size=(2, 2 if cell == "lstm" else 1, 7, 37)).astype(np.float32)
        loss, grads, after = network.loss_and_gradients(params, ids, ids[::-1], state, config, loaded)
        model = Model(config, Vocabulary("abcdefghijk"), params, loaded)
        text = "".join(sampling.generate(model, length=50, seed=5, config=SamplingConfig(0.8, 5)))
        found.append((loss, grads, after, text))
    (loss, grads, after, text), (loss2, grads2, after2, text2) = found
    np.testing.assert_allclose(loss2, loss, rtol=1e-5)
    np.testing.assert_allclose(after2, after, rtol=1e-4, atol=1e-5)
    for name in grads:
        np.testing.assert_allclose(grads2[name], grads[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert text == text2
print("agreed")
"""


def python(code: str, *args: object, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=env.get("PYTHONPATH"),  # which comes first where modules are looked for
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def has_avx2() -> bool:
    import llvmlite.binding

    return bool(llvmlite.binding.get_host_cpu_features().get("avx2"))


@pytest.mark.parametrize(("cpu", "features", "register"), [("generic", "", 16), ("generic", "+avx2,+fma", 32)])
def test_on_a_processor_without_our_instructions_it_computes_the_same(
    cpu: str, features: str, register: int, tmp_path: Path
) -> None:
    if "avx2" in features and not has_avx2():
        pytest.skip("this processor has no AVX2")
    cache = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    assert python(AGREE, register, **cache) == "agreed\n"


def test_processes_that_compile_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    running = [
        subprocess.Popen(
            command("train", "corpus.txt", *NUMBA, "--out", f"{n}.safetensors"),
            cwd=tmp_path,
            env=environment({"NUMBA_CACHE_DIR": str(tmp_path / "cache")}),
            stderr=subprocess.PIPE,
        )
        for n in range(3)
    ]
    assert [process.communicate()[1] for process in running] == [b""] * 3
    assert len({(tmp_path / f"{n}.safetensors").read_bytes() for n in range(3)}) == 1


COMPILED = """
import sys
from pathlib import Path
from charrnn import engine

loaded = engine.load("numba")
print(Path(loaded.rnn._forward._cache._cache_path).parent)
"""


def test_what_is_compiled_is_kept_where_one_may_write(tmp_path: Path) -> None:
    package = tmp_path / "charrnn"
    shutil.copytree(Path(charrnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    home = tmp_path / "home"
    home.mkdir()
    env = {"PYTHONPATH": str(tmp_path), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "NUMBA_CACHE_DIR": ""}
    env["LOCALAPPDATA"] = str(home)

    beside = package / "cells" / "compiled" / "__pycache__"
    assert Path(python(COMPILED, **env).strip()).parent == beside
    # A file where the folder would be: nobody, not even root, can write there
    shutil.rmtree(beside)
    beside.touch()
    mine = Path(python(COMPILED, **env).strip())
    assert home in mine.parents
    shutil.rmtree(home)
    home.touch()
    nowhere = Path(python(COMPILED, **env).strip())
    assert tmp_path not in nowhere.parents
    assert not nowhere.exists()  # it went with the process


def test_what_is_compiled_is_of_these_sources(tmp_path: Path) -> None:
    package = tmp_path / "charrnn"
    shutil.copytree(Path(charrnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = python(COMPILED, PYTHONPATH=str(tmp_path))
    product = package / "cells" / "compiled" / "product.py"
    product.write_text(product.read_text() + "\n# changed\n")
    assert python(COMPILED, PYTHONPATH=str(tmp_path)) != before


def test_numba_is_told_of_the_folder_for_this_engine_alone(tmp_path: Path) -> None:
    mine = str(tmp_path / "mine")
    code = f"import numba; numba.config.CACHE_DIR = {mine!r}; from charrnn import engine; engine.load('numba')"
    python(f"{code}; assert numba.config.CACHE_DIR == {mine!r}", HOME=os.environ.get("HOME", str(tmp_path)))


def test_names() -> None:
    assert engines.resolve("auto") == engines.resolve("numba") == "numba"
    assert engines.resolve("auto", engines.MAX_NUMPY_CHARS) == engines.resolve("numpy") == "numpy"
    with pytest.raises(ConfigError, match="choose one of auto, numpy, numba"):
        engines.resolve("fortran")


def test_numba_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "find_spec", lambda name: None)
    assert engines.resolve("auto") == "numpy"
    with pytest.raises(EngineError, match=r"pip install 'charrnn\[fast\]'"):
        engines.resolve("numba")
