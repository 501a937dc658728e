"""`charrnn.watch`: a bar in a notebook or on a terminal, and nothing anywhere else."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.dataset.corpus import from_text
from charrnn.optional import is_installed
from charrnn.training import start
from support.processes import TEXT, environment, posix
from support.terminal import notices_on_a_terminal

needs_a_kernel = pytest.mark.skipif(
    not all(map(is_installed, ("nbclient", "ipykernel", "ipywidgets"))), reason="needs Jupyter's kernel and widgets"
)
OPTIONS: Any = {"steps": 40, "eval_every": 10, "hidden_size": 8, "layers": 1, "batch_size": 4, "seq_length": 16}
OPTIONS |= {"seed": 1, "engine": "numpy", "threads": 1}
WATCH = f"""
import charrnn
run = charrnn.train("It was a dark and stormy night. " * 60, **{OPTIONS})
for progress in charrnn.watch(run):
    pass
"""
NOTEBOOK = """
import json, sys
import nbclient, nbformat
from nbformat.v4 import new_code_cell, new_notebook

notebook = new_notebook(cells=[new_code_cell(cell) for cell in json.load(sys.stdin)])
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(json.dumps(notebook))
"""


def outputs(*cells: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the cells of a notebook show, in the order of time, and the states of its widgets, from a real kernel."""
    line = [sys.executable, "-W", "ignore", "-c", NOTEBOOK]
    done = subprocess.run(
        line, input=json.dumps(cells), capture_output=True, text=True, check=False, env=environment(), timeout=180
    )
    assert done.returncode == 0, done.stderr
    notebook = json.loads(done.stdout)
    states = notebook["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {"state": {}})
    shown = [output for cell in notebook["cells"] for output in cell["outputs"]]
    return shown, [widget["state"] for widget in states["state"].values()]


@needs_a_kernel
def test_a_notebook_shows_a_bar_that_is_a_widget_and_then_the_run() -> None:
    (bar, run, model), states = outputs(WATCH, "run", "run.best")
    assert "application/vnd.jupyter.widget-view+json" in bar["data"]
    (progress,) = (state for state in states if "bar_style" in state)
    assert (progress["value"], progress["max"], progress["bar_style"]) == (40, 40, "success")
    assert any("step\u200740/40" in str(state.get("value")) for state in states)
    for output in (run, model):
        assert '<svg viewBox="' in "".join(output["data"]["text/html"])


@needs_a_kernel
def test_a_notebook_without_widgets_shows_a_bar_of_text_and_no_warning() -> None:
    shown, states = outputs("import sys; sys.modules['ipywidgets'] = None", WATCH)
    assert states == []
    assert {(output["output_type"], output.get("name")) for output in shown} == {("stream", "stderr")}
    text = "".join(output["text"] for output in shown)
    assert text.rpartition("\r")[2].startswith("100% ██████████ step 40/40")
    assert "arn" not in text


@needs_a_kernel
def test_a_command_that_a_notebook_starts_is_no_notebook(tmp_path: Path) -> None:
    code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', {!r}], capture_output=True))"
    (output,), states = outputs(code.format(WATCH))
    assert "returncode=0, stdout=b'', stderr=b''" in output["text"]
    assert states == []


@posix
def test_a_terminal_shows_a_bar_of_text(tmp_path: Path) -> None:
    shown = notices_on_a_terminal("-c", WATCH, cwd=tmp_path, env={}, command=lambda *args: [sys.executable, *args])
    assert re.findall(r"(\d+)% [█▏▎▍▌▋▊▉ ]*step (\d+)/40 ", shown)[-1] == ("100", "40")


def test_a_pipe_gets_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", WATCH], capture_output=True, check=True, env=environment())
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_loop_over_it_is_the_run_itself(tmp_path: Path) -> None:
    options = OPTIONS | {"steps": 12, "checkpoint": tmp_path / "m.safetensors"}
    plain = [*start.start(from_text(TEXT), **OPTIONS | {"steps": 12})]
    run = charrnn.train(TEXT, **options)
    assert [*map(str, charrnn.watch(run))] == [*map(str, plain)]
    assert charrnn.load(run.path).step == run.trainer.best_step


def test_leaving_the_loop_saves(tmp_path: Path) -> None:
    run = charrnn.train(TEXT, **OPTIONS, checkpoint=tmp_path / "m.safetensors")
    for progress in charrnn.watch(run):
        if progress.step == 7:
            break
    assert charrnn.resume(run.path, TEXT, steps=7).trainer.state.counters.step == 7
