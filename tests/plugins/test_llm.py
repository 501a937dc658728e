"""The plugin for `llm`, with the real program: which models it offers, what they write, and what is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen

import pytest

from charrnn.checkpoint.paths import BUNDLED
from charrnn.optional import is_installed
from support.processes import charrnn, environment, python
from support.readmes import DOCS, ROOT

pytestmark = pytest.mark.skipif(not is_installed("llm"), reason="needs llm")

LLM = [sys.executable, "-m", "llm"]
MODELS = ("tales", "names", "regions", "classifier", "dates")
"""Those in the folder, from the oldest to the newest."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints."""
    folder = tmp_path_factory.mktemp("llm")
    (folder / "checkpoints").mkdir()
    for age, name in enumerate(MODELS):
        path = Path(shutil.copy(DOCS / f"{name}.safetensors", folder / "checkpoints"))
        os.utime(path, (1000 + age, 1000 + age))
    return folder


def settings(folder: Path) -> dict[str, str]:
    """The environment of a user of llm who keeps what it knows in a folder."""
    return environment({"LLM_USER_PATH": str(folder / "user")})


def llm(*args: object, cwd: Path) -> CompletedProcess[str]:
    """Runs `llm`."""
    line = [*LLM, *map(str, args)]
    return subprocess.run(line, cwd=cwd, env=settings(cwd), input="", capture_output=True, text=True, check=False)


def written(*args: object, cwd: Path) -> str:
    """What llm prints, without the newline that it adds."""
    done = llm(*args, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


def sampled(name: str, *args: object, cwd: Path) -> str:
    """What `charrnn sample` writes with a model after a prime."""
    done = charrnn("sample", f"checkpoints/{name}.safetensors", *args, "--no-echo", "--quiet", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def options(**values: object) -> list[object]:
    """Options of llm."""
    return [word for name, value in values.items() for word in ("-o", name, value)]


# What is written


def test_a_text_is_the_one_that_sample_writes_with_the_same_options(folder: Path) -> None:
    given = options(temperature=0.7, top_k=20, top_p=0.9, min_p=0.01, max_tokens=120, seed=5)
    found = written("-m", "charrnn/tales", "The harbour ", *given, cwd=folder)
    wanted = ("--temp", 0.7, "--top-k", 20, "--top-p", 0.9, "--min-p", 0.01, "--length", 120, "--seed", 5)
    assert len(found) == 120
    assert found == sampled("tales", "--prime", "The harbour ", *wanted, cwd=folder)


def test_a_text_ends_before_its_stop(folder: Path) -> None:
    found = written("-m", "charrnn/tales", "The ", *options(stop=r"\n", seed=2), cwd=folder)
    assert found
    assert found == sampled("tales", "--prime", "The ", "--stop", r"\n", "--seed", 2, cwd=folder)
    assert "\n" not in found


def test_a_line_or_the_text_of_a_label_is_written_to_its_end(folder: Path) -> None:
    found = written("-m", "charrnn/names", "Ab", *options(seed=3), cwd=folder)
    assert found == sampled("names", "--prime", "Ab", "--seed", 3, cwd=folder).removesuffix("\n")
    found = written("-m", "charrnn/regions", "", *options(label="Wales", seed=1), cwd=folder)
    assert found == sampled("regions", "--label", "Wales", "--seed", 1, cwd=folder).removesuffix("\n")


def test_a_text_is_streamed(folder: Path) -> None:
    line = [*LLM, "-m", "charrnn/tales", "The ", *map(str, options(max_tokens=10**7)), "--no-log"]
    with Popen(line, cwd=folder, env=settings(folder), stdin=subprocess.DEVNULL, stdout=PIPE) as process:
        try:
            assert process.stdout
            assert len(process.stdout.read(200)) == 200
            assert process.poll() is None  # there are minutes of work left
        finally:
            process.kill()


def test_a_conversation_is_one_text_and_the_log_has_the_seed_that_was_drawn(folder: Path) -> None:
    short = {"max_tokens": 40, "temperature": 0.5}
    first = written("-m", "charrnn/tales", "The", *options(**short), cwd=folder)
    second = written("-c", " And", *options(**short, seed=2), cwd=folder)
    logs = json.loads(written("logs", "-n", "2", "--json", cwd=folder))
    seed = next(entry["response_json"]["seed"] for entry in logs if entry["prompt"] == "The")
    told = ("--length", 40, "--temp", 0.5)
    assert first == sampled("tales", "--prime", "The", *told, "--seed", seed, cwd=folder)
    assert second == sampled("tales", "--prime", f"The{first} And", *told, "--seed", 2, cwd=folder)
    assert {(entry["input_tokens"], entry["output_tokens"]) for entry in logs} == {(3, 40), (47, 40)}


# Which models there are


def offered(folder: Path) -> list[str]:
    """The lines about charrnn in the list of llm's models."""
    lines = written("models", cwd=folder).splitlines()
    return [line for line in lines if line.startswith("charrnn")]


def test_the_models_in_checkpoints_are_offered_and_the_newest_has_a_short_name(folder: Path) -> None:
    first, *others = [f"charrnn: charrnn/{name}" for name in (*MODELS[::-1], BUNDLED)]
    assert offered(folder) == [f"{first} (aliases: charrnn)", *others]


def test_without_checkpoints_the_bundled_model_writes(tmp_path: Path) -> None:
    assert offered(tmp_path) == [f"charrnn: charrnn/{BUNDLED} (aliases: charrnn)"]
    found = written("-m", "charrnn", "The ", *options(max_tokens=50, seed=1), cwd=tmp_path)
    done = charrnn("sample", "--prime", "The ", "--length", 50, "--seed", 1, "--no-echo", cwd=tmp_path)
    assert found == done.stdout


def test_a_trained_model_takes_the_place_of_the_bundled_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(DOCS / "names.safetensors", tmp_path / "checkpoints" / f"{BUNDLED}.safetensors")
    assert offered(tmp_path) == [f"charrnn: charrnn/{BUNDLED} (aliases: charrnn)"]
    assert len(written("-m", "charrnn", "Ab", cwd=tmp_path)) < 100  # a line, not a text of 1,000 characters


def test_llm_works_in_a_folder_whose_checkpoints_are_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a.resume.safetensors").write_bytes(b"")
    (tmp_path / "checkpoints" / "b.safetensors").write_bytes(b"no model")
    assert len(offered(tmp_path)) == 2
    done = llm("-m", "charrnn/b", "The", cwd=tmp_path)
    assert done.returncode == 1
    assert "not a checkpoint" in done.stderr


def test_llm_imports_no_more_than_it_needs_to_list_the_models() -> None:
    code = "import charrnn.plugins.llm as p, sys; p.register_models(lambda *a, **b: print(a[0].model_id)); "
    code += "print([m for m in sys.modules if m.startswith(('charrnn.model', 'charrnn.engine', 'charrnn.layers'))])"
    assert python(code).splitlines()[-1] == "[]"


# What is refused


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["charrnn/classifier", "Ab"], "this model is a classifier: use `charrnn classify`"),
        (["charrnn/dates", "Ab"], "this model is a translator: use `charrnn translate`"),
        (
            ["charrnn/tales", "caf\u00e9"],
            "or leave them out with -o unknown skip, or replace them with -o unknown nearest",
        ),
        (["charrnn/tales", "The", "-s", "Be brief."], "takes no instructions: leave out the system prompt"),
        (["charrnn/tales", "The", "-o", "label", "Wales"], "a label needs a model of pairs"),
        (["charrnn/tales", "The", "-o", "stop", "\\q"], "stop has the unknown escape \\q"),
        (
            ["charrnn/tales", "The", "-o", "temperature", "-1"],
            "temperature\n  Input should be greater than or equal to 0",
        ),
        (["charrnn/tales", "The", "-o", "top_p", "0"], "top_p\n  Input should be greater than 0"),
    ],
)
def test_what_can_not_be_written_is_an_error_that_says_why(args: list[str], said: str, folder: Path) -> None:
    done = llm("-m", *args, cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# What the README says


def test_the_readme_lists_the_options_and_their_defaults() -> None:
    code = "import charrnn.plugins.llm as p, json; "
    code += "print(json.dumps({k: f.default for k, f in p.CharRNN.Options.model_fields.items()}))"
    defaults = json.loads(python(code))
    readme = (ROOT / "charrnn" / "plugins" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `-o (\w+) \w+` \| (.*) \|$", readme, re.MULTILINE))
    assert list(rows) == list(defaults)
    for name, default in defaults.items():
        assert default is None or rows[name].endswith(
            f"[{default:g}]" if isinstance(default, float) else f"[{default}]"
        )
