"""The views of `charrnn inspect` as processes: what they print, draw and refuse, on every kind of model."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import charrnn as api
from charrnn.inspection.context import context
from charrnn.inspection.features import pattern_feature
from charrnn.inspection.neurons import activations, neurons
from charrnn.inspection.surprisal import surprisal
from charrnn.inspection.views import VIEWS, views_for
from charrnn.inspection.vocabulary import neighbours
from charrnn.inspection.weights import weights
from support.inspection import inspect, width
from support.processes import TEXT, charrnn, error_line, train_model

CYRILLIC = "Все счастливые семьи похожи друг на друга (это известно).\nКаждая несчастлива по-своему. 12 раз!\n" * 15
NAMES = "".join(f"Name {n:03} (of {n % 7})\n" for n in range(150))
OWN_VIEWS = [view.name for view in views_for("language_model")]
KINDS = {
    "text": (TEXT, ()),
    "cyrillic": (CYRILLIC, ()),
    "bytes": (CYRILLIC, ("--bytes",)),
    "lines": (NAMES, ("--lines",)),
    "relu": (TEXT, ("--cell", "rnn", "--nonlinearity", "relu")),
}
STRANGE = "Ща (я)\x1b[31m ☃ the\tend, of 12\r\x00 men.\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each kind."""
    found = {}
    for kind, (text, options) in KINDS.items():
        found[kind] = train_model(tmp_path_factory.mktemp(kind), text, "--eval-every", 10, "--layers", 2, *options)
    return found


def option(view: str, text: str) -> list[str]:
    """The option that asks for a view, with a text if it takes one."""
    return [f"--{view}", text] if VIEWS[view].takes_text else [f"--{view}"]


# The terminal and JSON


@pytest.mark.parametrize("view", OWN_VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_view_works_for_every_kind_of_model(
    kind: str, view: str, models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "strange.txt").write_text(STRANGE * 3, encoding="utf-8", newline="")
    args = (models[kind], *option(view, "strange.txt"))
    shown = inspect(*args, cwd=tmp_path)
    assert not {"\x1b", "\r", "\x00"} & set(shown)
    assert max(map(width, shown.splitlines())) <= 80
    data = json.loads(inspect(*args, "--json", cwd=tmp_path))
    assert set(data) == {"file", "bytes", view}


@pytest.mark.parametrize(
    "env", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}]
)
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_views_fit_the_terminal(columns: int, env: dict[str, str], models: dict[str, Path], tmp_path: Path) -> None:
    long_lines = TEXT.replace("\n", " ")[:700]
    args = [word for view in OWN_VIEWS for word in option(view, long_lines)]
    shown = inspect(models["text"], *args, cwd=tmp_path, COLUMNS=str(columns), **env)
    coloured = "TERM" in env
    assert ("\x1b[" in shown) == coloured or "NO_COLOR" in env
    if not coloured and not env:
        assert max(map(width, shown.splitlines())) <= columns
        assert set("▁▂▃▄▅▆▇█") & set(shown)


def test_without_colours_there_are_bars_below_the_text(models: dict[str, Path], tmp_path: Path) -> None:
    shown = inspect(models["text"], "--surprisal", "a man\nof ☃\n", cwd=tmp_path).splitlines()
    data = json.loads(inspect(models["text"], "--surprisal", "a man\nof ☃\n", "--json", cwd=tmp_path))["surprisal"]
    start = shown.index("a man")
    assert shown[start + 2] == "of ☃"
    bars = "".join("?" if b is None else "▁▂▃▄▅▆▇█"[round(min(b / 12, 1) * 7)] for b in data["bits"])
    assert shown[start + 1] + shown[start + 3] == bars[:5] + bars[6:10]
    assert "1 that the model has never seen" in " ".join(shown)


def test_the_json_data_are_those_of_the_library(models: dict[str, Path], tmp_path: Path) -> None:
    model, text = api.load(models["text"]).model, TEXT[:500]
    args = (
        "--neurons",
        text,
        "--feature",
        "[a-z]+,",
        "--unit",
        "1:3",
        "--surprisal",
        text,
        "--weights",
        "--vocabulary",
    )
    data = json.loads(inspect(models["text"], *args, "--json", cwd=tmp_path))
    found = neurons(model, text, [pattern_feature("[a-z]+,")])
    unit = data["neurons"].pop("unit")
    assert data["neurons"] == found
    assert (unit["layer"], unit["index"], unit["text"]) == (1, 3, text)
    assert unit["activations"] == pytest.approx(activations(model, text, [(1, 3)])[0].tolist())
    assert data["surprisal"] == {"text": text} | surprisal(model, text)
    assert data["weights"] == weights(model)
    assert data["vocabulary"] == neighbours(model)


def test_context_reads_the_validation_text_if_the_corpus_is_found(models: dict[str, Path], tmp_path: Path) -> None:
    expected = context(api.load(models["text"]).model, TEXT[-(len(TEXT) // 10) :])
    data = json.loads(inspect(models["text"], "--context", "--json", cwd=tmp_path))
    assert data["context"] == expected
    (tmp_path / "alone.safetensors").write_bytes(models["text"].read_bytes())
    assert "--corpus" in error_line(charrnn("inspect", "alone.safetensors", "--context", cwd=tmp_path), 1)
    (tmp_path / "same.txt").write_text(TEXT)
    data = json.loads(inspect("alone.safetensors", "--context", "--corpus", "same.txt", "--json", cwd=tmp_path))
    assert data["context"] == expected
    (tmp_path / "other.txt").write_text(TEXT[3:700])
    data = json.loads(inspect("alone.safetensors", "--context", "--corpus", "other.txt", "--json", cwd=tmp_path))
    assert data["context"]["read"] == 697


def test_several_models_are_shown_side_by_side(models: dict[str, Path], tmp_path: Path) -> None:
    args = (models["text"], models["cyrillic"], "--history", "--context", "--weights")
    shown = inspect(*args, cwd=tmp_path)
    names = [str(models[kind]) for kind in ("text", "cyrillic")]
    assert all(name in "".join(shown.split("\n")) for name in names)
    assert {"●", "○"} <= set(shown)
    rows = [json.loads(line) for line in inspect(*args, "--json", cwd=tmp_path).splitlines()]
    assert [row["file"] for row in rows] == names
    assert all({"history", "context", "weights"} <= set(row) for row in rows)
    assert [
        row["model"]["layers"] for row in map(json.loads, inspect(*args[:2], "--json", cwd=tmp_path).splitlines())
    ] == [2, 2]


def test_a_text_can_come_from_stdin(models: dict[str, Path], tmp_path: Path) -> None:
    done = charrnn("inspect", models["text"], "--surprisal", "-", "--json", cwd=tmp_path, input="a man of fortune")
    assert json.loads(done.stdout)["surprisal"]["text"] == "a man of fortune"


def test_a_text_from_a_pipe_is_read_once_for_all_models(models: dict[str, Path], tmp_path: Path) -> None:
    text = "a man of fortune, in want of a wife\n"
    pair = (models["text"], models["cyrillic"])
    done = charrnn("inspect", *pair, "--surprisal", "-", "--json", cwd=tmp_path, input=text)
    assert [json.loads(line)["surprisal"]["text"] for line in done.stdout.splitlines()] == [text, text]
    pytest.importorskip("jinja2")
    args = ("inspect", models["text"], models["text"], "--corpus", models["text"].parent / "corpus.txt")
    assert charrnn(*args, "--neurons", "-", "--page", "p.html", cwd=tmp_path, input=text).returncode == 0
    assert (tmp_path / "p.html").read_text(encoding="utf-8").count(">f</i><i>o</i><i>r</i><i>t</i><i>u</i>") == 4


def test_unknown_characters_at_the_beginning_are_skipped(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("☃" * 5000 + TEXT, encoding="utf-8")
    shown = inspect(models["text"], "--neurons", "t.txt", cwd=tmp_path)
    assert "It is a truth universally acknowledged" in shown


def test_a_word_that_names_a_folder_is_a_text(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "fortune").mkdir()
    data = json.loads(inspect(models["text"], "--surprisal", "fortune", "--json", cwd=tmp_path))
    assert data["surprisal"]["text"] == "fortune"


def test_a_pattern_without_a_match_is_reported(models: dict[str, Path], tmp_path: Path) -> None:
    shown = inspect(models["text"], "--neurons", TEXT, "--feature", "zzz+", cwd=tmp_path)
    assert "not in both halves of the text: matches zzz+" in shown


# Pictures


@pytest.mark.parametrize("view", OWN_VIEWS)
def test_every_view_can_be_drawn(view: str, models: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "strange.txt").write_text(STRANGE * 3, encoding="utf-8", newline="")
    args = ("inspect", models["text"], *option(view, "strange.txt"), "--plot")
    other = (".png", ".pdf")[OWN_VIEWS.index(view) % 2]
    for suffix, begin in ((".svg", b"<?xml"), (other, {".png": b"\x89PNG", ".pdf": b"%PDF"}[other])):
        path = tmp_path / f"view{suffix}"
        done = charrnn(*args, path.name, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert done.stderr.splitlines()[-1].startswith(f"wrote {path.name}, ")
        assert path.read_bytes().startswith(begin)
        assert "view" + suffix + " exists" in error_line(charrnn(*args, path.name, cwd=tmp_path), 1)
    content = (tmp_path / "view.svg").read_bytes()
    assert charrnn(*args, "view.svg", "--force", "--quiet", cwd=tmp_path).stderr == ""
    assert (tmp_path / "view.svg").read_bytes() == content
    ElementTree.fromstring(content.decode())


def test_pictures_and_pages_name_the_packages_that_they_need(models: dict[str, Path], tmp_path: Path) -> None:
    for name in ("matplotlib", "jinja2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('not here')")
    env = {"PYTHONPATH": str(tmp_path) + ":" + ":".join(p for p in sys.path if p)}
    done = charrnn("inspect", models["text"], "--history", "--plot", "h.svg", cwd=tmp_path, env=env)
    assert "a picture needs matplotlib: pip install 'charrnn-text[plot]'" in error_line(done, 2)
    done = charrnn("inspect", models["text"], "--page", "p.html", cwd=tmp_path, env=env)
    assert "the page needs jinja2: pip install 'charrnn-text[page]'" in error_line(done, 2)
    assert not list(tmp_path.glob("*.svg")) + list(tmp_path.glob("*.html"))


def test_a_page_to_share_has_no_excerpt_of_the_corpus(models: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    pages = {}
    for name, args in {"whole": (), "again": (), "shared": ("--no-text",)}.items():
        done = charrnn("inspect", models["text"], "--page", f"{name}.html", *args, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert re.fullmatch(rf"wrote {name}\.html, [\d,]+ bytes\n", done.stderr)
        pages[name] = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    assert pages["whole"] == pages["again"], "the samples have fixed seeds"
    chars = len(TEXT) // 10
    excerpt = "".join(f"<i>{c}</i>" for c in TEXT[-chars:][:8])
    assert excerpt in pages["whole"]
    assert excerpt not in pages["shared"]
    assert "<pre" not in re.sub('<pre class="sample">', "", pages["shared"])
    assert f"This page contains {chars:,} characters" in pages["whole"]
    assert "as much as 10 % of its corpus, corpus.txt" in pages["whole"]
    assert "This page contains none of the texts" in pages["shared"]
    assert pages["shared"].count('<pre class="sample">') == pages["whole"].count('<pre class="sample">') == 3


# Wrong usage


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (["--feature", "a"], 2, "--neurons"),
        (["--unit", "0:1"], 2, "--neurons"),
        (["--neurons", TEXT, "--unit", "1"], 2, "needs its layer"),
        (["--neurons", TEXT, "--unit", "1:"], 2, "LAYER:INDEX"),
        (["--neurons", TEXT, "--unit", "-1:3"], 2, "LAYER:INDEX"),
        (["--neurons", TEXT, "--unit", "7:3"], 2, "no unit 7:3"),
        (["--neurons", TEXT, "--unit", "0:16"], 2, "no unit 0:16"),
        (["--neurons", TEXT, "--feature", "("], 2, "not a valid regular expression"),
        (["--neurons", "short"], 1, "too short"),
        (["--neurons", ""], 1, "it is empty"),
        (["--surprisal", ""], 1, "it is empty"),
        (["--surprisal", "☃☃"], 1, "knows none"),
        (["--surprisal", "missing.txt"], 1, "no file missing.txt"),
        (["--corpus", "-", "--context"], 2, "--corpus is a file"),
        (["--force", "--history"], 2, "--page and --plot"),
        (["missing.safetensors", "--context"], 1, "missing.safetensors"),
        (["--page", "x.html", "--neurons", ""], 1, "it is empty"),
        (["--neurons", "-", "--surprisal", "-"], 2, "stdin"),
        (["--corpus", "x.txt"], 2, "--context and --page"),
        (["--context", "--corpus", "missing.txt"], 1, "missing.txt"),
        (["--plot", "x.svg"], 2, "single view"),
        (["--history", "--weights", "--plot", "x.svg"], 2, "single view"),
        (["--history", "--plot", "x.jpg"], 2, ".svg"),
        (["--history", "--plot", "x.svg", "--json"], 2, "--json"),
        (["--page", "x.txt"], 2, ".html"),
        (["--page", "x.html", "--json"], 2, "--json"),
        (["--no-text"], 2, "--no-text is only for --page: add it"),
        (["--no-text", "--history"], 2, "--no-text is only for --page"),
        (["--no-text", "--history", "--plot", "x.svg"], 2, "--no-text is only for --page"),
        (["--page", "x.html", "--plot", "x.svg"], 2, "both"),
        (["--page", "x.html", "--weights"], 2, "all views"),
        (["--page", "x.html", "--neurons", TEXT, "--surprisal", TEXT], 2, "one text"),
        (["--attribution", TEXT], 2, "--attribution shows a classifier or a tagger, and this is a language model: use"),
        (["--page", "no/such/../x.html", "--neurons", "short"], 1, "there is no folder no/such/.."),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    args: list[str], code: int, why: str, models: dict[str, Path], tmp_path: Path
) -> None:
    assert why in error_line(charrnn("inspect", models["text"], *args, cwd=tmp_path), code)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".html", ".svg", ".jpg")]


# Clamped units


def test_a_clamped_unit_changes_the_sample_and_the_same_seed_repeats_it(
    models: dict[str, Path], tmp_path: Path
) -> None:
    args = ("sample", models["text"], "--seed", 1, "-n", 300, "--engine", "numpy")
    free = charrnn(*args, cwd=tmp_path).stdout
    clamped = charrnn(*args, "--clamp-unit", "1:3=1", "--clamp-unit", "0:2=-1", cwd=tmp_path)
    assert clamped.returncode == 0, clamped.stderr
    assert clamped.stdout != free
    assert charrnn(*args, "--clamp-unit", "0:2=-1", "--clamp-unit", "1:3=1", cwd=tmp_path).stdout == clamped.stdout
    model = api.load(models["text"]).model.clamp_units({(1, 3): 1, (0, 2): -1})
    assert clamped.stdout == "".join(api.generate(model, length=300, seed=1))


def test_a_unit_of_relu_is_clamped_to_any_value_from_0(models: dict[str, Path], tmp_path: Path) -> None:
    for engine in ("numpy", "auto"):
        args = ("sample", models["relu"], "--seed", 1, "-n", 300, "--engine", engine, "--quiet")
        clamped = charrnn(*args, "--clamp-unit", "1:3=7.5", "--clamp-unit", "0:2=0", cwd=tmp_path)
        model = api.load(models["relu"]).model.clamp_units({(1, 3): 7.5, (0, 2): 0})
        assert clamped.stdout == "".join(api.generate(model, length=300, seed=1)), clamped.stderr
        assert clamped.stdout != charrnn(*args, cwd=tmp_path).stdout
    line = error_line(charrnn("sample", models["relu"], "--clamp-unit", "1:3=-0.5", cwd=tmp_path), 2)
    assert "the value of a unit must be from 0 to 1e+30, not -0.5" in line


def test_the_gradients_of_both_nonlinearities_are_in_one_chart(models: dict[str, Path], tmp_path: Path) -> None:
    for name in ("relu", "text"):
        (tmp_path / f"{name}.safetensors").write_bytes(models[name].read_bytes())
    (tmp_path / "corpus.txt").write_text(TEXT)
    args = ("relu.safetensors", "text.safetensors", "--context", "--corpus", "corpus.txt")
    shown = inspect(*args, cwd=tmp_path)
    assert re.search(r"^● relu +○ text *$", shown, re.MULTILINE)
    assert re.search(r"^ gradient falls below +relu +text *$", shown, re.MULTILINE)
    assert "relu has no gates" in shown
    found = [json.loads(line)["context"] for line in inspect(*args, "--json", cwd=tmp_path).splitlines()]
    assert [bool(data["gates"]) for data in found] == [False, True]
    assert found[0]["gradient"]["k"] == found[1]["gradient"]["k"]
    assert all(norm > 0 for data in found for norm in data["gradient"]["norm"][:5])
    pytest.importorskip("matplotlib")
    inspect(*args, "--plot", "context.svg", cwd=tmp_path)
    drawn = (tmp_path / "context.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in drawn for name in ("relu", "text"))


@pytest.mark.parametrize("value", ["", "1:3", "1:3=", "1:3=x", "1:3=1.1", "1:3=nan", "7:0=0", "0:99=0", "1=0", "a:b=0"])
def test_invalid_clamped_units_are_refused(value: str, models: dict[str, Path], tmp_path: Path) -> None:
    error_line(charrnn("sample", models["text"], "--clamp-unit", value, cwd=tmp_path), 2)
    done = charrnn("sample", models["text"], "--clamp-unit", "0:1=0", "--clamp-unit", "0:1=1", cwd=tmp_path)
    assert "unit 0:1 can't be clamped twice" in error_line(done, 2)
