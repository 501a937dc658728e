"""Optional libraries: a missing one, a folder that only has its name, and what is said about either."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from charrnn.errors import ConfigError, MissingLibraryError
from charrnn.optional import EXTRAS, import_optional, install, is_installed, require
from support.processes import charrnn, environment, error_line, train_model

OPTIONAL = (
    *("numba", "llvmlite", "matplotlib", "jinja2", "regex", "charset_normalizer", "compression", "backports"),
    *("starlette", "uvicorn", "httptools", "tensorboardX"),
)

ONLY_FOLDERS = f"""
import sys
from importlib.machinery import PathFinder

class Finder:
    '''Finds the optional libraries in the current folder alone, as if none was installed.'''
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in {OPTIONAL!r}:
            return None
        spec = PathFinder.find_spec(name, path or ["."], target)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return spec

sys.meta_path.insert(0, Finder)
"""
"""A `sitecustomize`: Python prefers an installed library to a folder, wherever on its path that is."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of modules."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("files", [(), ("notes.txt",), ("inner/__init__.py",)])
def test_a_folder_without_a_package_is_no_library(files: tuple[str, ...], folder: Path) -> None:
    name = f"only_a_folder_{len(''.join(files))}"
    (folder / name / "inner").mkdir(parents=True)
    for file in files:
        (folder / name / file).touch()
    assert not is_installed(name)
    with pytest.raises(ModuleNotFoundError, match=name) as caught:
        import_optional(name)
    assert caught.value.name == name
    assert name not in sys.modules


def test_packages_modules_and_packages_within_a_folder_are_libraries(folder: Path) -> None:
    (folder / "whole_package").mkdir()
    (folder / "whole_package" / "__init__.py").write_text("value = 1")
    (folder / "one_module.py").write_text("value = 2")
    (folder / "shared_name" / "part").mkdir(parents=True)
    (folder / "shared_name" / "part" / "__init__.py").write_text("value = 3")
    for name, value in (("whole_package", 1), ("one_module", 2), ("shared_name.part", 3)):
        assert is_installed(name)
        assert import_optional(name).value == value
    assert not is_installed("shared_name")
    assert not is_installed("shared_name.other")
    assert not is_installed("no_such_name.other")


def test_what_needs_a_missing_library_is_both_a_wrong_usage_and_an_import_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "whole", ("json",))
    require("nothing", "whole")
    (folder / "broken_library.py").write_text("import no_such_library_at_all")
    for name, missing in (("no_such_library", "no_such_library"), ("broken_library", "no_such_library_at_all")):
        monkeypatch.setitem(EXTRAS, "part", ("json", name))
        with pytest.raises(ImportError, match=rf"^a test needs {name}: pip install 'charrnn-text\[part\]'$") as caught:
            require("a test", "part")
        assert isinstance(caught.value, ConfigError)
        assert isinstance(caught.value, MissingLibraryError)
        assert caught.value.name == missing


def test_the_extras_are_those_of_the_package_with_the_modules_of_their_libraries() -> None:
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert install("match") == f"pip install '{project['name']}[match]'"
    libraries = {
        extra: {re.split(r"[>=;]", requirement)[0].replace("-", "_") for requirement in requirements}
        for extra, requirements in project["optional-dependencies"].items()
        if extra not in ("bench", "test")  # for those who change the code
    }
    assert {extra: set(names) for extra, names in EXTRAS.items()} == libraries


IMPORTS = """
import sys
for name in ("matplotlib", "jinja2", "onnx", "starlette", "llm"):
    sys.modules[name] = None
for module in ("charrnn.inspection.picture", "charrnn.inspection.report.page", "charrnn.export.onnx",
               "charrnn.server.serve", "charrnn.plugins.llm"):
    try:
        __import__(module)
    except ImportError as error:
        print(error)
"""


def test_importing_a_module_without_its_library_is_an_import_error() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "a picture needs matplotlib: pip install 'charrnn-text[plot]'",
        "the page needs jinja2: pip install 'charrnn-text[page]'",
        "an ONNX file needs onnx: pip install 'charrnn-text[onnx]'",
        "charrnn serve needs starlette: pip install 'charrnn-text[serve]'",
        "charrnn's plugin needs llm: pip install 'charrnn-text[llm]'",
    ]


@pytest.mark.parametrize("has_folders", [True, False], ids=["empty folders", "nothing"])
def test_every_hint_names_the_library_that_is_missing(has_folders: bool, tmp_path: Path) -> None:
    model = train_model(tmp_path, steps=1)
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(ONLY_FOLDERS)
    for name in (*OPTIONAL, "backports/zstd") if has_folders else ():
        (tmp_path / name).mkdir()
    (tmp_path / "corpus.zst").write_bytes(bytes.fromhex("28b52ffd2400"))
    env = {"PYTHONPATH": os.pathsep.join(map(str, (tmp_path / "hidden", *filter(None, sys.path))))}
    hints = {
        ("train", "corpus.txt", "--engine", "numba", "--steps", 1): (1, "the numba engine is not installed", "fast"),
        ("warm-up",): (1, "the numba engine is not installed", "fast"),
        ("sample", model, "--match", "a+"): (2, "--match needs regex", "match"),
        ("inspect", model, "--history", "--plot", "h.svg"): (2, "a picture needs matplotlib", "plot"),
        ("inspect", model, "--page", "p.html"): (2, "the page needs jinja2", "page"),
        ("train", "corpus.txt", "--tensorboard", "runs"): (2, "TensorBoard needs tensorboardX", "tensorboard"),
        ("serve", model): (2, "charrnn serve needs starlette", "serve"),
        ("train", "corpus.zst"): (1, "which needs backports.zstd", "zstd"),
    }
    for args, (code, needed, extra) in hints.items():
        line = error_line(charrnn(*args, cwd=tmp_path, env=env), code)
        assert f"{needed}: pip install 'charrnn-text[{extra}]'" in line
    done = charrnn("train", "corpus.txt", "--steps", 1, "--json", cwd=tmp_path, env=env)
    assert '"engine": "numpy"' in done.stdout, done.stderr


def test_the_environment_of_these_tests_hides_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ONLY_FOLDERS)
    env = environment({"PYTHONPATH": str(tmp_path)})
    for name in ("numpy", *OPTIONAL[:3]):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], env=env, capture_output=True, check=False)
        assert (done.returncode == 0) == (name == "numpy")
