"""The package as it is installed: from this checkout when it is tested, and whole and small when it is built."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import charrnn
from charrnn.version import VERSION
from support import readmes
from support.processes import PROGRAM, environment, package_folder, require_package_of

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEMPLATES = ("css", "html", "js")
"""The files of the pages of `charrnn inspect --page` and `charrnn export`."""
PAGES = ("inspection/report", "export/page")
"""Where they are."""
DATA = ("saltmarrow.txt", "saltmarrow.safetensors")
"""What the package has of the folder `data`: the tales, and the model of them."""
MAX_METADATA_VERSION = (2, 4)
"""The latest version of the metadata that every index takes."""


# The copy that is tested


def test_the_tests_and_the_processes_that_they_start_use_this_checkout() -> None:
    source = (ROOT / "charrnn").resolve()
    assert Path(str(charrnn.__file__)).resolve().parent == source
    assert package_folder() == source


def test_a_copy_that_is_not_the_checkouts_is_refused_before_any_test(tmp_path: Path) -> None:
    require_package_of(ROOT.resolve())
    with pytest.raises(pytest.UsageError) as caught:
        require_package_of(tmp_path)
    told = f"would run {ROOT.resolve() / 'charrnn'}, not {tmp_path / 'charrnn'}: in {tmp_path}, pip install -e '.["
    assert told in str(caught.value)


@pytest.mark.parametrize(("content", "found"), [("", "{0}"), ("raise ImportError", "no charrnn")])
def test_another_copy_or_none_for_the_processes_is_refused(
    content: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path.resolve() / "charrnn"
    copy.mkdir()
    (copy / "__init__.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(pytest.UsageError, match=f"^the tests would run {re.escape(found.format(copy))}, not "):
        require_package_of(ROOT.resolve())


def test_who_changes_the_code_installs_it_editable_everywhere() -> None:
    paths = [*readmes.documents(), ROOT / ".ci" / "run", *(ROOT / ".github" / "workflows").iterdir()]
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    installs = [line for line in lines if re.search(r"\bpip\S* install\b.*'\.\[", line)]
    assert len(installs) >= 6
    assert not [line for line in installs if " -e '.[" not in line]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'README.md > "$work/tests.sh"' in script  # it runs the commands of the README, as they stand there


# Wheel and source archive


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel, the source archive, and the wheel of an editable installation."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the package")
    folder = tmp_path_factory.mktemp("archives")
    editable = folder / "editable"
    editable.mkdir()
    code = "from hatchling.build import *; import sys; build_wheel(sys.argv[1]); build_sdist(sys.argv[1])"
    code += "; build_editable(sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, folder, editable], cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,), (link,) = folder.glob("*.whl"), folder.glob("*.tar.gz"), editable.iterdir()
    return {"wheel": wheel, "sdist": sdist, "editable": link}


def members(archive: Path) -> dict[str, bytes]:
    """The contents of the files of an archive; the folders in front of a source archive's and of metadata are `-`."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            found = {name: file.read(name) for name in file.namelist()}
        return {re.sub(r"^charrnn_text-[^/]*\.dist-info/", "-/", name): content for name, content in found.items()}
    with tarfile.open(archive) as file:
        streams = {member.name: file.extractfile(member) for member in file.getmembers() if member.isfile()}
        return {re.sub(r"^[^/]*/", "-/", name): stream.read() for name, stream in streams.items() if stream}


def sources() -> dict[str, bytes]:
    """What the package is made of when it runs, by the paths in a wheel."""
    package = ROOT / "charrnn"
    found = [*package.rglob("*.py"), package / "py.typed"]
    found += [path for page in PAGES for ending in TEMPLATES for path in (package / page).rglob(f"*.{ending}")]
    contents = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in found}
    return contents | {f"charrnn/data/{name}": (ROOT / "data" / name).read_bytes() for name in DATA}


def test_a_wheel_has_the_package_its_data_and_its_license_and_nothing_else(archives: dict[str, Path]) -> None:
    found = members(archives["wheel"])
    assert {name: content for name, content in found.items() if not name.startswith("-/")} == sources()
    assert found["-/licenses/charrnn/LICENSE"] == (ROOT / "charrnn" / "LICENSE").read_bytes()
    entries = b"[console_scripts] charrnn = charrnn.__main__:main [llm] charrnn = charrnn.plugins.llm"
    assert found["-/entry_points.txt"].split() == entries.split()
    rest = {name for name in found if name.startswith("-/")}
    assert rest == {"-/licenses/charrnn/LICENSE", "-/entry_points.txt", "-/METADATA", "-/RECORD", "-/WHEEL"}


def test_what_a_wheel_installs_writes_at_once(archives: dict[str, Path], tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(archives["wheel"]) as file:
        file.extractall(installed)
    line = [*PROGRAM, "sample", "--length", "40", "--seed", "1"]
    env = environment({"PYTHONPATH": str(installed)})
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert len(done.stdout) == 40
    assert done.stderr.startswith("model: saltmarrow, which comes with charrnn")
    line = [sys.executable, "-c", "from charrnn.checkpoint.paths import bundled_model; print(bundled_model())"]
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == installed / "charrnn" / "data" / "saltmarrow.safetensors"


def test_an_editable_installation_copies_nothing(archives: dict[str, Path]) -> None:
    found = members(archives["editable"])
    (name,) = {name for name in found if not name.startswith("-/")}
    assert name.endswith(".pth")
    assert Path(found[name].decode().strip()).resolve() == ROOT.resolve()


def test_a_source_archive_has_all_that_its_tests_and_its_build_need(archives: dict[str, Path]) -> None:
    found = members(archives["sdist"])
    wanted = {name.replace("charrnn/data/", "data/") for name in sources()}
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert {f"-/{name}" for name in (*wanted, "README.md", "pyproject.toml", ".ci/run")} <= found.keys()
    assert not [
        name for name in found if "__pycache__" in name or (name.startswith("-/checkpoints/") and "git" not in name)
    ]


def metadata(archives: dict[str, Path]) -> list[Message]:
    """The metadata of the wheel and of the source archive."""
    files = members(archives["wheel"])["-/METADATA"], members(archives["sdist"])["-/PKG-INFO"]
    return [message_from_string(content.decode()) for content in files]


def test_every_index_takes_the_metadata(archives: dict[str, Path]) -> None:
    for found in metadata(archives):
        assert tuple(map(int, found["Metadata-Version"].split("."))) <= MAX_METADATA_VERSION
        assert (found["Name"], found["Version"]) == ("charrnn-text", VERSION)
        assert found["Description-Content-Type"] == "text/markdown"
        assert found.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


# What pyproject.toml and the README say


def test_the_version_has_one_place() -> None:
    assert "version" in PROJECT["dynamic"]
    assert charrnn.__version__ == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_name_on_the_index_is_not_that_of_another_project() -> None:
    assert PROJECT["name"] == "charrnn-text"
    assert [*PROJECT["scripts"]] == ["charrnn"]
    texts = [path.read_text(encoding="utf-8") for path in [*readmes.documents(), *(ROOT / "charrnn").rglob("*.py")]]
    installs = [found for text in texts for found in re.findall(r"^\s*(?:\$ )?pip install .*", text, re.MULTILINE)]
    assert installs
    assert not [line for line in installs if re.search(r"install .*\bcharrnn(?!-text)\b", line)]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("filelock", "3.20.3"),  # 3.20.1: empties the target of a planted link; 3.20.3: the same with soft locks
        ("tqdm", "4.66.3"),  # runs code from its options
        ("jinja2", "3.1.6"),  # escapes from its sandbox; attributes that are not escaped
        ("onnx", "1.21"),  # reads and writes files outside of a model's folder
        ("pytest", "9.0.3"),  # folders in /tmp that others may have made
        ("torch", "2.10"),  # runs code from a file of weights
    ],
)
def test_no_version_with_a_known_fault_is_allowed(name: str, version: str) -> None:
    requirements = [
        *PROJECT["dependencies"],
        *(r for extra in PROJECT["optional-dependencies"].values() for r in extra),
    ]
    bounds = [r.removeprefix(f"{name}>=").split(";")[0] for r in requirements if r.startswith(f"{name}>=")]
    assert bounds
    assert all(numbers(bound) >= numbers(version) for bound in bounds)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def pictures(text: str) -> list[str]:
    """The addresses of the pictures of a Markdown text."""
    return [
        *re.findall(r"!\[[^\]]*\]\(\s*<?([^)\s>]*)", text),
        *re.findall(r"<(?:img|source)[^>]*?src\w*=['\"]([^'\"]*)", text),
    ]


def test_the_pictures_of_the_readme_can_be_shown_by_an_index() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [address for address in pictures(text) if not address.startswith(("https://", "data:image/"))]


@pytest.mark.parametrize(
    "markup", ["![a](x.svg)", "[![a](x.svg)](y)", '<img alt="a" src="x.svg">', "<img src='x.svg'/>"]
)
def test_pictures_of_every_form_are_found(markup: str) -> None:
    assert pictures(f"a [link](z.md), {markup} and text") == ["x.svg"]
