"""The views of `charrnn inspect` as processes: what they print, draw and refuse, on models of every kind."""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from support.processes import TEXT, charrnn, refused, trained
from test_cli_inspect import inspect, width

import charrnn as api
from charrnn import inspection

CYRILLIC = "Все счастливые семьи похожи друг на друга (это известно).\nКаждая несчастлива по-своему. 12 раз!\n" * 15
RECORDS = "".join(f"Name {n:03} (of {n % 7})\n" for n in range(150))
KINDS = {
    "text": (TEXT, ()),
    "cyrillic": (CYRILLIC, ()),
    "bytes": (CYRILLIC, ("--bytes",)),
    "lines": (RECORDS, ("--lines",)),
}
STRANGE = "Ща (я)\x1b[31m ☃ the\tend, of 12\r\x00 men.\n"
VIEWS = ("--history", "--neurons", "--memory", "--surprise", "--weights", "--vocabulary")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of every kind."""
    found = {}
    for kind, (text, options) in KINDS.items():
        found[kind] = trained(tmp_path_factory.mktemp(kind), text, "--eval-every", 10, "--layers", 2, *options)
    return found


def words(view: str, text: str) -> list[str]:
    """The options that ask for a view of a text."""
    return [view, text] if view in ("--neurons", "--surprise") else [view]


# What is printed


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_view_is_there_for_every_kind_of_model(
    kind: str, view: str, models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "strange.txt").write_text(STRANGE * 3, encoding="utf-8", newline="")
    args = (models[kind], *words(view, "strange.txt"))
    shown = inspect(*args, cwd=tmp_path)
    assert not {"\x1b", "\r", "\x00"} & set(shown)
    assert max(map(width, shown.splitlines())) <= 80
    data = json.loads(inspect(*args, "--json", cwd=tmp_path))
    assert set(data) == {"file", "bytes", view.removeprefix("--")}


@pytest.mark.parametrize(
    "env", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}]
)
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_views_fit_their_terminal(columns: int, env: dict[str, str], models: dict[str, Path], tmp_path: Path) -> None:
    long_lines = TEXT.replace("\n", " ")[:700]
    args = [word for view in VIEWS for word in words(view, long_lines)]
    shown = inspect(models["text"], *args, cwd=tmp_path, COLUMNS=str(columns), **env)
    coloured = "TERM" in env
    assert ("\x1b[" in shown) == coloured or "NO_COLOR" in env
    if not coloured and not env:
        assert max(map(width, shown.splitlines())) <= columns
        assert set("▁▂▃▄▅▆▇█") & set(shown)


def test_without_colours_bars_stand_below_the_text(models: dict[str, Path], tmp_path: Path) -> None:
    shown = inspect(models["text"], "--surprise", "a man\nof ☃\n", cwd=tmp_path).splitlines()
    data = json.loads(inspect(models["text"], "--surprise", "a man\nof ☃\n", "--json", cwd=tmp_path))["surprise"]
    start = shown.index("a man")
    assert shown[start + 2] == "of ☃"
    bars = "".join("?" if b is None else "▁▂▃▄▅▆▇█"[round(min(b / 12, 1) * 7)] for b in data["bits"])
    assert shown[start + 1] + shown[start + 3] == bars[:5] + bars[6:10]
    assert "1 that the model has never seen" in " ".join(shown)


def test_the_data_are_those_of_the_library(models: dict[str, Path], tmp_path: Path) -> None:
    model, text = api.load(models["text"]).model, TEXT[:500]
    args = ("--neurons", text, "--follow", "[a-z]+,", "--unit", "1:3", "--surprise", text, "--weights", "--vocabulary")
    data = json.loads(inspect(models["text"], *args, "--json", cwd=tmp_path))
    found = inspection.neurons(model, text, [inspection.following("[a-z]+,")])
    unit = data["neurons"].pop("unit")
    assert data["neurons"] == found
    assert (unit["layer"], unit["index"], unit["text"]) == (1, 3, text)
    assert unit["stands"] == pytest.approx(inspection.activations(model, text, [(1, 3)])[0].tolist())
    assert data["surprise"] == {"text": text} | inspection.surprise(model, text)
    assert data["weights"] == inspection.weights(model)
    assert data["vocabulary"] == inspection.neighbours(model)


def test_memory_reads_what_was_held_out_where_it_is(models: dict[str, Path], tmp_path: Path) -> None:
    held_out = TEXT[-(len(TEXT) // 10) :]
    wanted = inspection.remembrance(api.load(models["text"]).model, held_out)
    data = json.loads(inspect(models["text"], "--memory", "--json", cwd=tmp_path))
    assert data["memory"] == wanted
    (tmp_path / "alone.safetensors").write_bytes(models["text"].read_bytes())
    assert "--corpus" in refused(charrnn("inspect", "alone.safetensors", "--memory", cwd=tmp_path), 1)
    (tmp_path / "same.txt").write_text(TEXT)
    data = json.loads(inspect("alone.safetensors", "--memory", "--corpus", "same.txt", "--json", cwd=tmp_path))
    assert data["memory"] == wanted
    (tmp_path / "other.txt").write_text(TEXT[3:700])
    data = json.loads(inspect("alone.safetensors", "--memory", "--corpus", "other.txt", "--json", cwd=tmp_path))
    assert data["memory"]["read"] == 697


def test_several_models_stand_side_by_side(models: dict[str, Path], tmp_path: Path) -> None:
    args = (models["text"], models["cyrillic"], "--history", "--memory", "--weights")
    shown = inspect(*args, cwd=tmp_path)
    names = [str(models[kind]) for kind in ("text", "cyrillic")]
    assert all(name in "".join(shown.split("\n")) for name in names)
    assert {"●", "○"} <= set(shown)
    rows = [json.loads(line) for line in inspect(*args, "--json", cwd=tmp_path).splitlines()]
    assert [row["file"] for row in rows] == names
    assert all({"history", "memory", "weights"} <= set(row) for row in rows)
    assert [
        row["model"]["layers"] for row in map(json.loads, inspect(*args[:2], "--json", cwd=tmp_path).splitlines())
    ] == [2, 2]


def test_a_text_comes_from_stdin_too(models: dict[str, Path], tmp_path: Path) -> None:
    done = charrnn("inspect", models["text"], "--surprise", "-", "--json", cwd=tmp_path, input="a man of fortune")
    assert json.loads(done.stdout)["surprise"]["text"] == "a man of fortune"


def test_a_text_from_a_pipe_is_read_once_for_all_models(models: dict[str, Path], tmp_path: Path) -> None:
    text = "a man of fortune, in want of a wife\n"
    pair = (models["text"], models["cyrillic"])
    done = charrnn("inspect", *pair, "--surprise", "-", "--json", cwd=tmp_path, input=text)
    assert [json.loads(line)["surprise"]["text"] for line in done.stdout.splitlines()] == [text, text]
    pytest.importorskip("jinja2")
    args = ("inspect", models["text"], models["text"], "--corpus", models["text"].parent / "corpus.txt")
    assert charrnn(*args, "--neurons", "-", "--page", "p.html", cwd=tmp_path, input=text).returncode == 0
    assert (tmp_path / "p.html").read_text(encoding="utf-8").count(">f</i><i>o</i><i>r</i><i>t</i><i>u</i>") == 4


def test_what_stands_before_the_first_known_character_is_passed_over(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("☃" * 5000 + TEXT, encoding="utf-8")
    shown = inspect(models["text"], "--neurons", "t.txt", cwd=tmp_path)
    assert "It is a truth universally acknowledged" in shown


def test_a_word_that_names_a_folder_is_a_text(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "fortune").mkdir()
    data = json.loads(inspect(models["text"], "--surprise", "fortune", "--json", cwd=tmp_path))
    assert data["surprise"]["text"] == "fortune"


def test_a_pattern_that_is_not_there_is_told(models: dict[str, Path], tmp_path: Path) -> None:
    shown = inspect(models["text"], "--neurons", TEXT, "--follow", "zzz+", cwd=tmp_path)
    assert "not in both halves of the text: matches zzz+" in shown


# Pictures


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_drawn(view: str, models: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "strange.txt").write_text(STRANGE * 3, encoding="utf-8", newline="")
    for suffix, begin in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = tmp_path / f"view{suffix}"
        args = ("inspect", models["text"], *words(view, "strange.txt"), "--plot", path.name)
        done = charrnn(*args, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert done.stderr.splitlines()[-1].startswith(f"wrote {path.name}, ")
        content = path.read_bytes()
        assert content.startswith(begin)
        assert "is there already" in refused(charrnn(*args, cwd=tmp_path), 1)
        assert charrnn(*args, "--force", "--quiet", cwd=tmp_path).stderr == ""
        assert suffix == ".png" or suffix == ".pdf" or path.read_bytes() == content
    ElementTree.fromstring((tmp_path / "view.svg").read_text(encoding="utf-8"))


def test_pictures_and_pages_say_what_they_need(models: dict[str, Path], tmp_path: Path) -> None:
    for name in ("matplotlib", "jinja2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not here')")
    env = {"PYTHONPATH": str(tmp_path) + ":" + ":".join(p for p in sys.path if p)}
    done = charrnn("inspect", models["text"], "--history", "--plot", "h.svg", cwd=tmp_path, env=env)
    assert "pip install 'charrnn[plot]'" in refused(done, 2)
    done = charrnn("inspect", models["text"], "--page", "p.html", cwd=tmp_path, env=env)
    assert "pip install 'charrnn[page]'" in refused(done, 2)
    assert not list(tmp_path.glob("*.svg")) + list(tmp_path.glob("*.html"))


# What is refused


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (["--follow", "a"], 2, "--neurons"),
        (["--unit", "0:1"], 2, "--neurons"),
        (["--neurons", TEXT, "--unit", "1"], 2, "LAYER:INDEX"),
        (["--neurons", TEXT, "--unit", "1:"], 2, "LAYER:INDEX"),
        (["--neurons", TEXT, "--unit", "-1:3"], 2, "LAYER:INDEX"),
        (["--neurons", TEXT, "--unit", "7:3"], 2, "no unit 7:3"),
        (["--neurons", TEXT, "--unit", "0:16"], 2, "no unit 0:16"),
        (["--neurons", TEXT, "--follow", "("], 2, "no regular expression"),
        (["--neurons", "short"], 1, "too short"),
        (["--neurons", ""], 1, "it is empty"),
        (["--surprise", ""], 1, "it is empty"),
        (["--surprise", "☃☃"], 1, "knows none"),
        (["--surprise", "missing.txt"], 1, "no file missing.txt"),
        (["--corpus", "-", "--memory"], 2, "--corpus is a file"),
        (["--force", "--history"], 2, "--page and --plot"),
        (["missing.safetensors", "--memory"], 1, "missing.safetensors"),
        (["--page", "x.html", "--neurons", ""], 1, "it is empty"),
        (["--neurons", "-", "--surprise", "-"], 2, "stdin"),
        (["--corpus", "x.txt"], 2, "--memory and --page"),
        (["--memory", "--corpus", "missing.txt"], 1, "missing.txt"),
        (["--plot", "x.svg"], 2, "single view"),
        (["--history", "--weights", "--plot", "x.svg"], 2, "single view"),
        (["--history", "--plot", "x.jpg"], 2, ".svg"),
        (["--history", "--plot", "x.svg", "--json"], 2, "--json"),
        (["--page", "x.txt"], 2, ".html"),
        (["--page", "x.html", "--json"], 2, "--json"),
        (["--page", "x.html", "--plot", "x.svg"], 2, "both"),
        (["--page", "x.html", "--weights"], 2, "all views"),
        (["--page", "x.html", "--neurons", TEXT, "--surprise", TEXT], 2, "one text"),
        (["--page", "no/such/../x.html", "--neurons", "short"], 1, "too short"),
    ],
)
def test_wrong_use_is_refused_in_one_line(
    args: list[str], code: int, why: str, models: dict[str, Path], tmp_path: Path
) -> None:
    assert why in refused(charrnn("inspect", models["text"], *args, cwd=tmp_path), code)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".html", ".svg", ".jpg")]


# Units that are held


def test_a_held_unit_changes_what_is_written_and_the_same_seed_writes_it_again(
    models: dict[str, Path], tmp_path: Path
) -> None:
    args = ("sample", models["text"], "--seed", 1, "-n", 300, "--engine", "numpy")
    free = charrnn(*args, cwd=tmp_path).stdout
    held = charrnn(*args, "--set", "1:3=1", "--set", "0:2=-1", cwd=tmp_path)
    assert held.returncode == 0, held.stderr
    assert held.stdout != free
    assert charrnn(*args, "--set", "0:2=-1", "--set", "1:3=1", cwd=tmp_path).stdout == held.stdout
    model = api.load(models["text"]).model.clamp_units({(1, 3): 1, (0, 2): -1})
    assert held.stdout == "".join(api.generate(model, length=300, seed=1))


@pytest.mark.parametrize("value", ["", "1:3", "1:3=", "1:3=x", "1:3=1.1", "1:3=nan", "7:0=0", "0:99=0", "1=0", "a:b=0"])
def test_what_can_not_be_held_is_refused(value: str, models: dict[str, Path], tmp_path: Path) -> None:
    refused(charrnn("sample", models["text"], "--set", value, cwd=tmp_path), 2)
    done = charrnn("sample", models["text"], "--set", "0:1=0", "--set", "0:1=1", cwd=tmp_path)
    assert "unit 0:1 can't be held twice" in refused(done, 2)
