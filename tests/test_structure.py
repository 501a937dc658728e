"""The structure: the order of the folders, the docstring of each file, and the repository's top level."""

import ast
import graphlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from charrnn.dataset import corpus, files
from charrnn.dataset.files import Source

ROOT = Path(__file__).parents[1]

ORDER = (
    *("errors", "config", "types", "optional", "version"),
    *(
        "layers",
        "resources",
        "distributed",
        "engine",
        "dataset",
        "model",
        "training",
        "checkpoint",
        "sampling",
        "scoring",
    ),
    *("inspection", "export", "server", "plugins", "cli"),
    *("charrnn", "__main__"),  # the public face, and `python -m charrnn`
)
"""The folders and the files beside them, from the ground up: a module imports only from its own and earlier ones."""
TERMINAL = {"typer", "rich", "tqdm"}
MAX_LINES = 300
"""The most lines of a module."""


@cache
def modules() -> dict[str, Path]:
    """The modules of the package by name."""
    found = {}
    for path in sorted((ROOT / "charrnn").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def folder(module: str) -> str:
    """The folder of a module of the package: `layers` for `charrnn.layers.lstm`."""
    return module.split(".")[1] if "." in module else module


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports: at the top, for type checkers, inside functions, and by `import_module`."""
    known = modules()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in known else str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # A name that is built at run time may be that of any module
            yield ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "charrnn"


def test_a_module_imports_only_from_its_own_folder_and_earlier_ones() -> None:
    wrong = []
    for module, path in modules().items():
        allowed = ORDER[: ORDER.index(folder(module)) + 1]
        own = {name for name in imports(path) if name.partition(".")[0] == "charrnn"}
        wrong += [f"{module} imports {name}" for name in own if folder(name) not in allowed]
    assert not wrong


@pytest.mark.parametrize(
    "source",
    [
        "from charrnn.cli import terminal",
        "def f():\n    from charrnn.training.trainer import Trainer",
        "if TYPE_CHECKING:\n    import charrnn.sampling.filters",
        "import_module('charrnn.checkpoint.manager')",
        "importlib.import_module(f'charrnn.{name}')",
    ],
)
def test_imports_of_every_form_are_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(source)
    (found,) = imports(path)
    allowed = ORDER[: ORDER.index("layers") + 1]
    assert folder(found) not in allowed


def test_there_are_no_import_cycles() -> None:
    graph = {module: set(imports(path)) & set(modules()) for module, path in modules().items()}
    graph["charrnn"] = set()  # it imports on demand; its other imports are only for type checkers
    try:
        order = [*graphlib.TopologicalSorter(graph).static_order()]
    except graphlib.CycleError as error:
        pytest.fail(f"a cycle of imports: {error.args[1]}")
    assert order.index("charrnn.layers.lstm") < order.index("charrnn.cli")


def test_only_modules_that_the_folders_share_are_outside_them() -> None:
    outside = {path.name for path in (ROOT / "charrnn").glob("*.py")}
    assert outside == {"__init__.py", "__main__.py", "config.py", "errors.py", "optional.py", "types.py", "version.py"}
    folders = {path.name for path in (ROOT / "charrnn").iterdir() if list(path.glob("*.py"))}
    assert folders == set(ORDER[5:-2])


def test_the_tests_mirror_the_folders() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))}
    assert folders == set(ORDER[5:-2])


def test_only_the_command_line_imports_terminal_libraries() -> None:
    users = {
        (folder(module), name.partition(".")[0])
        for module, path in modules().items()
        for name in imports(path)
        if name.partition(".")[0] in TERMINAL
    }
    assert users == {("cli", name) for name in TERMINAL}


def test_only_the_kernels_import_numba_at_the_top() -> None:
    found = {
        module
        for module, path in modules().items()
        for node in tree(path).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {"numba", "llvmlite"} & {name.partition(".")[0] for name in names_of(node)}
    }
    assert found
    assert all(module.startswith("charrnn.engine.kernels") for module in found)


def names_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [str(node.module)] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]


def test_no_module_has_a_catch_all_name() -> None:
    assert not {"utils", "helpers", "common", "misc"} & {path.stem for path in modules().values()}


def test_every_module_docstring_begins_with_a_sentence() -> None:
    for module, path in modules().items():
        text = ast.get_docstring(tree(path))
        assert text, f"{module} has no docstring"
        assert text.partition("\n\n")[0].endswith((".", ":")), f"{module} does not begin with a sentence"


def test_modules_are_short() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in modules().items()}
    assert not {module: n for module, n in lengths.items() if n > MAX_LINES}


# The repository


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="needs git and its repository")
def test_the_visible_top_level_is_fixed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [path for path in listed.stdout.split("\0") if path and os.path.lexists(ROOT / path)]
    visible = {path.split("/")[0] for path in paths if not path.startswith(".")}
    assert visible == {"pyproject.toml", "charrnn", "data", "checkpoints", "tests", "README.md"}


def test_the_bundled_tales_can_be_trained_on() -> None:
    path = files.bundled_corpus()
    assert Path(path).name == "saltmarrow.txt"
    tales = corpus.read(Source((path,)))
    assert tales.size >= 150_000
    assert len(tales.ids) >= 150_000
    assert 40 <= len(tales.vocabulary) <= 200
    assert "\n" in tales.vocabulary.characters


def test_the_bundled_names_are_distinct_lines_without_spaces_around_them() -> None:
    names = (Path(files.bundled_corpus()).parent / "names.txt").read_text(encoding="utf-8").splitlines()
    assert len(names) == len(set(names)) >= 2000
    assert all(name == name.strip() != "" for name in names)
