"""The READMEs are kept true: their commands run and print what they show, and the files that they name exist."""

import os
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import model_file
from charrnn.cli import program
from support import fork_server, readmes
from support.processes import charrnn, posix
from support.readmes import ROOT, Block, Example

README = ROOT / "README.md"
CLI = ROOT / "charrnn" / "cli" / "README.md"
LAYERS = ROOT / "charrnn" / "layers" / "README.md"
OLD_VERSION = ROOT / "tests" / "fixtures" / "format1" / "README.md"
"""Its commands are those of version 0.1."""
COMMANDS = (
    *("train", "sample", "translate", "classify", "tag", "score", "adapt", "inspect", "export", "serve", "warm-up"),
)
MATHEMATICS = ("rnn", "gru", "lstm", "attention", "embedding", "linear", "softmax", "activations")

named = pytest.mark.parametrize("document", readmes.documents(), ids=lambda path: str(path.relative_to(ROOT)))
needs_a_shell = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the commands read. Do not change it: copy it."""
    folder = tmp_path_factory.mktemp("readmes") / "prepared"
    readmes.prepare(folder)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(prepared, tmp_path / "work"))


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a user who has this charrnn on the path."""
    home = tmp_path_factory.mktemp("home")
    env = readmes.shell_environment(home)
    if not fork_server.available:
        yield env
        return
    server = fork_server.ForkServer(env)
    readmes.write_program(home, server.client())
    yield env
    server.close()


def holding(language: str) -> pytest.MarkDecorator:
    """Runs a test for each document that has blocks in a language."""
    found = [path for path in readmes.documents() if readmes.blocks(path, language) and path != OLD_VERSION]
    return pytest.mark.parametrize("document", found, ids=lambda path: str(path.relative_to(ROOT)))


# What the documents show


@posix
@needs_a_shell
@holding("console")
def test_commands_print_what_a_readme_shows(document: Path, folder: Path, env: dict[str, str]) -> None:
    pytest.importorskip("regex")
    wrong = []
    for block in readmes.blocks(document, "console"):
        is_short = False
        for example in readmes.examples(block):
            if not readmes.has_tools(example.command):
                continue
            command = readmes.shortened(example.command, folder)
            is_short |= command != example.command
            code, found = readmes.run(command, folder, env)
            if "Traceback" in found or code < 0:
                wrong.append(f"{block.place}: {command} ended with {code}:\n{found}")
            elif not is_short:
                wrong.append(readmes.difference(example, found))
            elif command != example.command:
                wrong.append(readmes.difference_in_form(example, found))
            elif code:  # it uses a model that was trained for a moment only
                wrong.append(f"{block.place}: {command} ended with {code}:\n{found}")
    assert not any(wrong), "\n\n".join(filter(None, wrong))


@posix
@needs_a_shell
@holding("sh")
def test_commands_of_a_readme_run(document: Path, folder: Path, env: dict[str, str]) -> None:
    for module in ("regex", "matplotlib", "jinja2"):
        pytest.importorskip(module)
    failed = []
    for block in readmes.blocks(document, "sh"):
        for statement in readmes.statements(block):
            if readmes.COMMAND.search(statement) and readmes.has_tools(statement):
                command = readmes.shortened(statement, folder)
                code, found = readmes.run(f"set -eo pipefail; {command}", folder, env)
                if code:
                    failed.append(f"{block.place}: {command} ended with {code}:\n{found}")
    assert not failed, "\n\n".join(failed)


@holding("sh")
def test_scripts_of_a_readme_have_the_options_that_it_gives_them(document: Path) -> None:
    for block in readmes.blocks(document, "sh"):
        for script, words in re.findall(r"^python (\S+\.py)(.*)$", block.text.replace("\\\n", ""), re.MULTILINE):
            assert (ROOT / script).is_file(), block.place
            source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / script).parent.rglob("*.py"))
            for option in re.findall(r"(?<=\s)--[a-z-]+", words):
                assert f'"{option}"' in source, (block.place, option)


@holding("python")
def test_python_of_a_readme_runs(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = readmes.blocks(document, "python")
    for n, more in enumerate([[], *([block] for block in others)]):  # each block continues the first
        folder = tmp_path / str(n)
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("corpus.txt").write_text("It was a dark and stormy night. " * 60)
        names: dict[str, object] = {}
        for block in [first, *more]:
            run_python(block, names)
        assert capsys.readouterr().out


def run_python(block: Block, names: dict[str, object] | None = None) -> dict[str, object]:
    """Runs a block, in the names of another one; returns its names. Skips the test if a library is missing."""
    for library in ("torch", "onnx", "onnxruntime"):
        if re.search(rf"import {library}\b|export\.{library}\b", block.text):
            pytest.importorskip(library)
    names = {} if names is None else names
    exec(compile("\n" * (block.line - 1) + block.text, block.document, "exec"), names)
    return names


def test_pytorch_computes_the_same_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    shutil.copy(readmes.DOCS / "tales.safetensors", "model.safetensors")
    (block,) = [block for block in readmes.blocks(README, "python") if "torch" in block.text]
    model = model_file.load("model.safetensors").model
    logits, _ = model.forward(np.array([[3], [1], [4]]), model.zero_state(1))
    torch.testing.assert_close(run_python(block)["logits"], torch.from_numpy(logits[:, 0]), rtol=1e-5, atol=1e-5)


# What the documents name


@named
def test_links_lead_to_files_and_headings(document: Path) -> None:
    text = without_code(document)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        if heading:
            assert heading in anchors(path), target


@named
def test_files_in_backticks_exist(document: Path) -> None:
    roots = (document.parent, ROOT, ROOT / "charrnn")
    for name in re.findall(r"`([\w./-]+/[\w.-]*\.(?:py|md|txt|svg|toml|yml)|[\w./-]+/)`", without_code(document)):
        if not re.search(r"NAME|CORPUS|^checkpoints/|^/|^src/", name):  # which are for the reader to fill in
            assert any((root / name).exists() for root in roots) or any(document.parent.rglob(name)), name


def without_code(document: Path) -> str:
    """The text of a document without its blocks."""
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", without_code(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_has_the_test_commands_that_the_checks_run() -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Tests\n")[2].partition("\n## ")[0]
    assert "```sh\npip install -e '.[test,fast]'\npytest -n auto\n```" in section
    assert "'/^## Tests$/,/^## /" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_first_readme_has_a_readable_length() -> None:
    assert 150 <= len(README.read_text(encoding="utf-8").splitlines()) <= 250


def test_the_first_readme_counts_the_lines_of_the_mathematics() -> None:
    text = README.read_text(encoding="utf-8")
    folder = ROOT / "charrnn" / "layers"
    lines = sum(len((folder / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in MATHEMATICS)
    assert f"The mathematics is {lines} lines" in text
    assert all(f"`{name}.py`" in text for name in MATHEMATICS)


# The page of the layers


@pytest.mark.parametrize(
    ("layer", "begin", "end"),
    [
        ("rnn", "## Unrolling", "## Truncated"),
        ("lstm", "**LSTM**", "**GRU**"),
        ("gru", "**GRU**", "## Attention"),
        ("attention", "## Attention", "## From"),
    ],
)
def test_the_page_of_the_layers_has_the_gradients_of_a_docstring(layer: str, begin: str, end: str) -> None:
    section = LAYERS.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]
    wanted = gradients_in(import_module(f"charrnn.layers.{layer}").__doc__ or "")
    assert len(wanted) >= 4
    assert wanted | {"dh_t"} <= gradients_in(section)  # whose sum a docstring may say in words


def gradients_in(text: str) -> set[str]:
    """The gradients that the equations of a text give: the names before `=` and `+=`."""
    sides = re.findall(r"\(?((?:d[^\W\d_]+(?:_\w+)?(?:_\{t-1\})?(?:, )?)+)\)? \+?= ", text)
    return {name for side in sides for name in side.split(", ") if name}


# The reference of the command line


def options_of(command: str) -> set[str]:
    """The options of a command, apart from --help."""
    shown = [parameter for parameter in program().commands[command].params if parameter.param_type_name == "option"]
    return {name for option in shown for name in (*option.opts, *option.secondary_opts)}


def options_in(text: str) -> set[str]:
    """The options in a text; -q and such as well."""
    return set(re.findall(r"(?<![\w-])(?:--?[a-z](?:[a-z-]*[a-z])?|-0)(?![\w-])", text))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_lists_exactly_the_options_of_each_command(command: str) -> None:
    text = CLI.read_text(encoding="utf-8")
    (section,) = re.findall(rf"^### Options of `{command}`\n(.*?)^##", text, re.MULTILINE | re.DOTALL)
    listed = set().union(*map(options_in, re.findall(r"^\| (`-.*?`) \|", section, re.MULTILINE)))
    assert listed == options_of(command)


def test_the_reference_names_no_option_that_does_not_exist() -> None:
    known = set().union(*map(options_of, COMMANDS)) | options_in(charrnn("--help", cwd=ROOT).stdout)
    text = "\n".join(re.findall(r"`[^`\n]*`", without_code(CLI)))
    found = {option for option in options_in(text) if option.startswith("--")}
    assert len(found) > 60
    assert not found - known


# The comparison


def example(command: str, output: str) -> Example:
    return Example(command, output)


@pytest.mark.parametrize(
    ("command", "shown", "found"),
    [
        ("charrnn score", "1.6425 a line\n", "1.6425 a line  \n\n"),
        ("charrnn score", "bits 3.5793\n", "bits 3.5794\n"),
        ("charrnn inspect", "n 49%, l 29%\n", "n 50%, l 29%\n"),
        ("charrnn inspect", "first\n…\nlast\n", "first\nsecond\nthird\nlast\n"),
        ("charrnn inspect", "digest e00d…\n", "digest e00d99ebfe\n"),
        ("charrnn inspect", "the text\n" + "▃▁▂▅" * 20, "the text\n" + "▃▁▂▅" * 19 + "▃▁▂▆"),
        ("charrnn sample", "The tide was out and the lamp was lit", "The tide was out and the lamp was lot"),
    ],
)
def test_rounding_and_what_is_left_out_make_no_difference(command: str, shown: str, found: str) -> None:
    assert not readmes.difference(example(command, shown), found)


@pytest.mark.parametrize(
    ("command", "shown", "found"),
    [
        ("charrnn score", "1.6425 a line\n", "1.6425 another line\n"),
        ("charrnn score", "bits 3.5793\n", "bits 3.5893\n"),
        ("charrnn score", "characters 144\n", "characters 145\n"),
        ("charrnn inspect", "first\n…\nlast\n", "first\nsecond\n"),
        ("charrnn inspect", "the title of a very long table" * 9, "the title of a very long table" * 8 + "the tilte"),
        ("charrnn sample", "The tide was out and the lamp was lit", "The tide was out, and nobody came"),
        ("charrnn train", "writes a.safetensors\n", ""),
    ],
)
def test_other_words_and_numbers_are_a_difference(command: str, shown: str, found: str) -> None:
    assert "shown" in readmes.difference(example(command, shown), found)


def test_a_shorter_training_has_the_same_form() -> None:
    shown = "lstm, 1 × 256: 359,243 parameters\n…\ndone: a.safetensors holds the weights of step 3,811\n"
    same = "lstm, 1 × 64: 32,041 parameters\ndone: a.safetensors holds the weights of step 2\n"
    assert not readmes.difference_in_form(example("charrnn train", shown), same)
    assert readmes.difference_in_form(example("charrnn train", shown), same.replace("parameters", "weights in all"))
    assert readmes.difference_in_form(example("charrnn train", shown), same.partition("done")[0])


def test_a_full_training_may_differ_by_what_speed_changes() -> None:
    shown = "lstm, 1 × 256: 359,243 parameters\n…\nstep 900/900, epoch 3, validation loss 1.300 (1.876 bits)\n"
    faster = "lstm, 1 × 384: 743,627 parameters\nstep 990/990, epoch 4, validation loss 1.270 (1.832 bits)\n"
    assert not readmes.difference_beyond_speed(example("charrnn train", shown), faster)
    assert readmes.difference_beyond_speed(example("charrnn train", shown), faster.replace("1.270", "1.400"))
    assert readmes.difference_beyond_speed(example("charrnn train", shown), faster.replace("validation loss", ""))


@needs_a_shell
def test_statements_of_a_shell_are_whole() -> None:
    text = "charrnn train a.txt \\\n    --steps 5\nfor x in 1 2; do\n  charrnn sample\ndone\necho charrnn\n"
    found = [*readmes.statements(Block(README, 1, "sh", text))]
    assert [statement.count("\n") for statement in found] == [2, 3, 1]
    assert [bool(readmes.COMMAND.search(statement)) for statement in found] == [True, True, False]


def test_long_trainings_are_shortened(tmp_path: Path) -> None:
    short = {
        "charrnn train": "charrnn train --time 1s",
        "charrnn train a.txt --time 10m": "charrnn train a.txt --time 1s",
        "charrnn train a.txt --epochs 20": "charrnn train a.txt --epochs 1",
        "charrnn train a.txt --steps 20000": "charrnn train a.txt --steps 2",
        "charrnn train a.txt --steps 600": "charrnn train a.txt --steps 2",
        "charrnn train a.txt --steps 400": "charrnn train a.txt --steps 400",
        "charrnn train a.txt --steps 50": "charrnn train a.txt --steps 50",
        "tail -f app.log | charrnn score": "cat app.log | charrnn score",
        "charrnn sample --length 5000": "charrnn sample --length 5000",
    }
    assert {command: readmes.shortened(command, tmp_path) for command in short} == short


def test_all_documents_are_found() -> None:
    found = {str(path.relative_to(ROOT)).replace(os.sep, "/") for path in readmes.documents()}
    assert found >= {
        *("README.md", "charrnn/README.md", "charrnn/cli/README.md", "charrnn/layers/README.md", "data/README.md"),
        *("tests/README.md", "tests/bench/README.md", ".github/CONTRIBUTING.md"),
    }
