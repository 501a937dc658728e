"""`--precision`: what `train`, `sample` and `score` say, save and refuse."""

import json
from pathlib import Path

import pytest

from charrnn.config import WEIGHT_PRECISIONS
from support.processes import SMALL, TEXT, charrnn, error_line

DOCS = Path(__file__).parents[1] / "fixtures" / "docs"
TALES = DOCS / "tales.safetensors"
ROUNDED = (*SMALL, "--precision", "bfloat16", "--threads", 1, "--sample-every", 0)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus."""
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def test_a_run_says_its_precision_and_keeps_it_when_it_is_resumed(here: Path) -> None:
    done = charrnn("train", "corpus.txt", *ROUNDED, "--steps", 10, "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "numpy engine in bfloat16, 1 thread\n" in done.stderr
    assert json.loads(done.stdout)["precision"] == "bfloat16"
    again = charrnn("train", "--resume", "--steps", 20, "--json", cwd=here)
    assert "numpy engine in bfloat16, 1 thread\n" in again.stderr
    assert json.loads(again.stdout)["precision"] == "bfloat16"
    exact = charrnn("train", "--resume", "--steps", 30, "--precision", "float32", "--json", cwd=here)
    assert "numpy engine, 1 thread\n" in exact.stderr
    assert json.loads(exact.stdout)["precision"] == "float32"


def test_a_summary_of_the_model_has_its_precision(here: Path) -> None:
    for name, wanted in (("float32", False), ("bfloat16", True)):
        options = (*ROUNDED, "--precision", name, "--steps", 5, "--quiet")
        done = charrnn("train", "corpus.txt", *options, "--out", f"{name}.safetensors", cwd=here)
        assert done.returncode == 0, done.stderr
        shown = charrnn("inspect", f"{name}.safetensors", cwd=here)
        assert ("precision bfloat16" in " ".join(shown.stdout.split())) == wanted


def test_the_environment_sets_the_precision_of_new_runs(here: Path) -> None:
    env = {"CHARRNN_TRAIN_PRECISION": "bfloat16"}
    done = charrnn("train", "corpus.txt", *SMALL, "--steps", 5, "--json", "--quiet", cwd=here, env=env)
    assert json.loads(done.stdout)["precision"] == "bfloat16"
    wrong = charrnn("train", "corpus.txt", *SMALL, cwd=here, env={"CHARRNN_TRAIN_PRECISION": "half"})
    assert "bfloat16" in error_line(wrong, 1, 2)


def test_a_processor_without_bfloat16_is_an_error(here: Path) -> None:
    pytest.importorskip("numba")
    env = {"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(here / "cache")}
    options = [word for word in ROUNDED if word not in ("--engine", "numpy")]
    done = charrnn("train", "corpus.txt", *options, "--steps", 5, cwd=here, env=env, new=True)
    line = error_line(done, 1)
    assert "this processor can't multiply in bfloat16" in line
    assert line.endswith("use --precision float32")
    assert not (here / "checkpoints").exists()


# Narrow weights


def test_a_sample_says_that_its_weights_are_narrow(here: Path) -> None:
    words = ("sample", TALES, "--seed", 1, "-n", 300, "--engine", "numpy")
    texts = {}
    for name in WEIGHT_PRECISIONS:
        done = charrnn(*words, "--precision", name, cwd=here)
        assert done.returncode == 0, done.stderr
        assert (f"weights in {name}\n" in done.stderr) == (name != "float32")
        quiet = charrnn(*words, "--quiet", cwd=here, env={"CHARRNN_SAMPLE_PRECISION": name})
        assert (quiet.stdout, quiet.stderr) == (done.stdout, "")
        texts[name] = done.stdout
    assert texts["float32"] == charrnn(*words, cwd=here).stdout
    assert texts["int8"] != texts["float32"]


def test_json_does_not_name_the_precision(here: Path) -> None:
    words = ("sample", TALES, "--seed", 1, "-n", 20, "--json", "--engine", "numpy")
    found = [json.loads(charrnn(*words, "--precision", name, cwd=here).stdout) for name in ("float32", "int8")]
    assert found[0].keys() == found[1].keys()


def test_a_score_shows_what_narrow_weights_lose(here: Path) -> None:
    text = (DOCS.parents[2] / "data" / "saltmarrow.txt").read_text(encoding="utf-8")[:5000]
    (here / "text.txt").write_text(text, encoding="utf-8")
    bpc = {}
    for name in WEIGHT_PRECISIONS:
        words = ("score", TALES, "text.txt", "--json", "--precision", name, "--engine", "numpy")
        done = charrnn(*words, cwd=here)
        assert (f"weights in {name}\n" in done.stderr) == (name != "float32")
        bpc[name] = json.loads(done.stdout)["bpc"]
    assert len(set(bpc.values())) == 3
    assert bpc["bfloat16"] == pytest.approx(bpc["float32"], abs=0.002)
    assert bpc["int8"] == pytest.approx(bpc["float32"], abs=0.01)


def test_a_model_of_another_form_has_no_precision(here: Path) -> None:
    (here / "pairs.txt").write_text("ab\tba\n")
    for name in ("int8", "bfloat16"):
        done = charrnn("score", DOCS / "dates.safetensors", "pairs.txt", "--precision", name, cwd=here)
        assert "only a language model has a precision, and this model is a translator: leave it out" in error_line(
            done, 1, 2
        )
