"""The README is kept true: its Python runs, and its commands have the options that it gives them."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import model_file
from support.processes import charrnn

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text("It was a dark and stormy night. " * 60)
    ours, theirs = blocks("python")
    exec(ours, {})
    assert "bits per character" in capsys.readouterr().out
    torch = pytest.importorskip("torch")
    found: dict[str, object] = {}
    exec(theirs, found)
    model = model_file.load("model.safetensors").model
    logits, _ = model.forward(np.array([[3], [1], [4]]), model.zero_state(1))
    torch.testing.assert_close(found["logits"], torch.from_numpy(logits[:, 0]), rtol=1e-5, atol=1e-5)


def test_its_commands_are_the_programs(tmp_path: Path) -> None:
    lines = [shlex.split(line, comments=True) for line in "\n".join(blocks("sh")).replace("\\\n", "").splitlines()]
    commands = [" ".join(map(shlex.quote, line)) for line in lines]
    found = re.findall(r"charrnn (train|sample|score|inspect)\b([^|&\n]*)", "\n".join(commands).replace("'|'", "|"))
    assert {name for name, _ in found} >= {"train", "sample", "score"}
    for name, rest in found:
        help_text = charrnn(name, "--help", cwd=tmp_path, env={"COLUMNS": "200"}).stdout
        for word in re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest):
            assert word in re.split(r"[\s,]+", help_text), (name, word)


def test_it_names_files_that_exist() -> None:
    root = Path(__file__).parent.parent
    for name in re.findall(r"`((?:charrnn|tests|data)/[\w/.]*)`", README):
        assert (root / name).exists(), name
