"""`charrnn inspect` as a process: the summary agrees with the file, fits the terminal, and is harmless."""

import hashlib
import json
import math
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import charrnn as api
from charrnn.dataset.split import stream_training
from support.inspection import inspect, width
from support.processes import SMALL, TEXT, charrnn, command, environment, error_line, posix, raw, train_model

HOSTILE = "\x1b[31mred\x1b[0m \x07 [bold]b[/] [/] [link=x]\u202eж"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"), TEXT, "--eval-every", 10, steps=35)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose vocabulary and corpus have terminal escapes and markup."""
    path = train_model(tmp_path_factory.mktemp("hostile"), HOSTILE * 30)
    saved = api.load(path)
    object.__setattr__(saved.corpus, "name", HOSTILE)
    api.save(path, saved)
    return path


# Data


def test_the_data_agree_with_the_file(model: Path, tmp_path: Path) -> None:
    data = json.loads(inspect(model, "--json", cwd=tmp_path))
    tensors = load_file(model)
    assert (data["file"], data["bytes"]) == (str(model), model.stat().st_size)
    assert {t["name"] for t in data["tensors"]} == set(tensors)
    for row in data["tensors"]:
        tensor = tensors[row["name"]]
        assert row["shape"] == list(tensor.shape)
        assert row["dtype"] == str(tensor.dtype)
        assert row["norm"] == pytest.approx(np.sqrt((tensor.astype(float) ** 2).sum()), rel=1e-5)
        assert row["share"] == pytest.approx(tensor.size / sum(t.size for t in tensors.values()))
    assert sum(t["share"] for t in data["tensors"]) == pytest.approx(1)


def test_the_metadata_agree_with_the_training(model: Path, tmp_path: Path) -> None:
    data = json.loads(inspect(model, "--json", cwd=tmp_path))
    saved = api.load(model)
    content = (model.parent / "corpus.txt").read_bytes()
    assert data["parameters"] == saved.model.n_params
    assert data["model"]["hidden_size"] == 16
    assert data["model"]["cell"] == "lstm"
    assert data["training"]["seed"] == 1
    assert data["training"]["steps"] == 35
    characters = sorted(set(TEXT))
    assert data["vocabulary"] == {"kind": "characters", "size": len(characters), "characters": characters}
    validation = len(TEXT) // 10
    assert data["corpus"] == {
        "name": "corpus.txt",
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "training_chars": len(TEXT) - validation,
        "validation_chars": validation,
        "training_lines": 0,
        "validation_lines": 0,
    }
    assert data["layout"] == "stream"
    assert data["line_set"] is None
    assert [row["step"] for row in data["history"]] == [10, 20, 30, 35]
    assert [row["val_loss"] for row in data["history"]] == [row.val_loss for row in saved.history]
    best = min(data["history"], key=lambda row: row["val_loss"])
    assert data["step"] == best["step"]


def test_a_model_of_bytes_lists_no_characters(tmp_path: Path) -> None:
    data = json.loads(inspect(train_model(tmp_path, bytes(range(256)) * 5, "--bytes", steps=1), "--json", cwd=tmp_path))
    assert data["vocabulary"] == {"kind": "bytes", "size": 256}


def test_the_newest_model_is_shown_and_named_on_stderr(model: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "m.safetensors"
    path.write_bytes(model.read_bytes())
    done = charrnn("inspect", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["file"] == str(path.relative_to(tmp_path))
    assert done.stderr.splitlines() == [f"model: {path.relative_to(tmp_path)}"]
    assert charrnn("inspect", "--json", "--quiet", cwd=tmp_path).stderr == ""


@pytest.mark.parametrize("args", [["missing.safetensors"], ["."], ["text.safetensors"]])
def test_what_is_not_a_model_is_refused_in_one_line(args: list[str], tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text(TEXT)
    error_line(charrnn("inspect", *args, cwd=tmp_path), 1)
    error_line(charrnn("inspect", *args, "--json", cwd=tmp_path), 1)


def test_a_nonlinearity_other_than_tanh_is_named(model: Path, tmp_path: Path) -> None:
    assert re.search(r"^ *model +lstm, 1 × 16, dropout", inspect(model, cwd=tmp_path), re.MULTILINE)
    relu = train_model(tmp_path, TEXT, "--cell", "rnn", "--nonlinearity", "relu", steps=1)
    assert re.search(r"^ *model +rnn with relu, 1 × 16, dropout", inspect(relu, cwd=tmp_path), re.MULTILINE)
    assert json.loads(inspect(relu, "--json", cwd=tmp_path))["model"]["nonlinearity"] == "relu"


# The tables


LOCALES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:replace"},
]


@pytest.mark.parametrize("env", LOCALES, ids=lambda env: ",".join(f"{k}={v}" for k, v in env.items()))
def test_it_is_printed_in_utf8_whatever_the_locale(env: dict[str, str], hostile: Path, tmp_path: Path) -> None:
    shown = inspect(hostile, cwd=tmp_path, **env)
    assert raw(shown).decode() == inspect(hostile, cwd=tmp_path)
    assert {"×", "…", "ж"} <= set(shown)
    assert json.loads(inspect(hostile, "--json", cwd=tmp_path, **env))["corpus"]["name"] == HOSTILE


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_tables_fit_the_terminal(columns: int, model: Path, tmp_path: Path) -> None:
    shown = inspect(model, cwd=tmp_path, COLUMNS=str(columns))
    assert max(width(line.rstrip("\n")) for line in shown.splitlines()) <= columns
    assert "rnn.weight_hh_l0"[: columns // 4] in shown
    assert any(bar in shown for bar in "▁▂▃▄▅▆▇█")
    assert "\x1b" not in shown


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_a_pipe_gets_plain_text_of_eighty_columns(env: dict[str, str], model: Path, tmp_path: Path) -> None:
    shown = inspect(model, cwd=tmp_path, **env)
    assert "\x1b" not in shown
    assert max(map(width, shown.splitlines())) <= 80
    saved = api.load(model)
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    for name, tensor in load_file(model).items():
        shape = " × ".join(map(str, tensor.shape)).split()
        norm = f"{np.linalg.norm(tensor):.3g}"
        assert rows[name] == [name, *shape, norm, f"{tensor.size / _n_values(model):.1%}"]
    assert saved.training is not None
    assert saved.corpus is not None
    per_epoch = stream_training(saved.corpus.training_chars, 0, saved.training).steps_per_epoch
    for row in saved.history:
        epoch = str(-(-row.step // per_epoch))
        loss, bpc = f"{row.val_loss:.4f}", f"{row.val_loss / math.log(2):.3f}"
        assert rows[str(row.step)] == [str(row.step), epoch, f"{row.train_loss:.4f}", loss, bpc]
    assert "corpus.txt" in shown
    assert f"{saved.model.n_params:,}" in shown
    assert saved.corpus.digest[:12] in shown


def _n_values(path: Path) -> int:
    return sum(tensor.size for tensor in load_file(path).values())


@posix
def test_no_color_is_honoured_on_a_terminal(model: Path, tmp_path: Path) -> None:
    import pty
    import re

    ours, theirs = pty.openpty()
    env = environment({"NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "100"})
    subprocess.run(command("inspect", model), cwd=tmp_path, env=env, stdout=theirs, check=True, timeout=60)
    shown = b""
    while b"bits per character" not in shown:
        shown += os.read(ours, 1 << 16)
    os.close(theirs)
    os.close(ours)
    codes = {code for found in re.findall(rb"\x1b\[([\d;]*)m", shown) for code in found.split(b";")}
    assert not {code for code in codes if len(code) == 2}, "30 to 49 and 90 to 97 are colours"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", {"cell": "x" * 10**6}),
        ("version", "x" * 10**6),
        ("run", "x" * 10**6),
        ("run", [1]),
        ("charrnn", int("9" * 4000)),
        ("step", int("9" * 4000)),
        ("corpus", {"name": "x" * 10**6, "size": 1, "digest": "", "training_chars": 2, "validation_chars": 0}),
    ],
    ids=["cell", "version", "run", "list", "format", "step", "name"],
)
def test_metadata_that_are_too_long_are_refused_in_a_short_line(
    key: str, value: object, model: Path, tmp_path: Path
) -> None:
    with safe_open(model, framework="numpy") as file:
        metadata = file.metadata()
    save_file(load_file(model), tmp_path / "long.safetensors", metadata | {key: json.dumps(value)})
    line = error_line(charrnn("inspect", "long.safetensors", cwd=tmp_path), 1)
    assert "long.safetensors" in line
    assert len(line) < 2100


def test_escapes_in_names_and_vocabularies_are_shown_and_not_sent(hostile: Path, tmp_path: Path) -> None:
    for columns in (40, 200):
        shown = inspect(hostile, cwd=tmp_path, COLUMNS=str(columns))
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "\\x1b[31mred" in shown
    assert "[link=x]\\u202eж" in shown
    assert "[bold]b[/] [/] [link=x]" in shown
    data = json.loads(inspect(hostile, "--json", cwd=tmp_path))
    assert data["corpus"]["name"] == HOSTILE
    assert "\x1b" in data["vocabulary"]["characters"]


@posix
def test_escapes_in_file_names_are_shown_and_not_sent(tmp_path: Path) -> None:
    (tmp_path / "\x1b[31m[bold]x").write_text(TEXT)
    done = charrnn("train", "\x1b[31m[bold]x", *SMALL, "--steps", 1, "--out", "\x1b[/]m.safetensors", cwd=tmp_path)
    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    assert "\\x1b[31m[bold]x: 1," in done.stderr
    shown = inspect("\x1b[/]m.safetensors", cwd=tmp_path)
    assert "\x1b" not in shown
    assert "\\x1b[/]m.safetensors" in shown
    for name in ("train", "sample", "inspect"):
        line = error_line(charrnn(name, "\x1b[31m\u202enothing", cwd=tmp_path), 1)
        assert "\\x1b[31m\\u202enothing" in line
