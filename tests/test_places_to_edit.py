"""The lists of charrnn/README.md, "To add …": their files and names exist, and all that is there is in each place."""

import ast
import re
from dataclasses import fields
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from bench.speeds import shape
from charrnn import config, layers
from charrnn.cli.inspect.views import TERMINAL_VIEWS
from charrnn.cli.train import announcement, given, run
from charrnn.cli.warm_up import jobs
from charrnn.dataset import bad_lines
from charrnn.engine import Engine
from charrnn.errors import ConfigError
from charrnn.inspection import weights
from charrnn.inspection.views import VIEWS
from charrnn.sampling import filters
from charrnn.training import optimizers, options
from support import naive, trainings
from support.cells import CELLS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "charrnn"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
MEMBERS: dict[str, tuple[str, ...]] = {
    "a cell": config.CELLS,
    "a nonlinearity of the vanilla cell": tuple(name for name in config.NONLINEARITIES if name != "tanh"),
}
"""What stands for NAME in a list; elsewhere it need only be one of the names of a folder."""

FILTER_TESTS = ("test_constraints", "test_generate")
"""Where CONFIGS lists the settings with which each engine draws what the filters of `sampling.filters` say."""


def lists(text: str) -> dict[str, str]:
    """The lists by what is added: `a cell`."""
    section = text.partition("\n## To add …\n")[2].partition("\n## ")[0]
    parts = re.split(r"^\*\*(.+?)\*\*", section, flags=re.MULTILINE)
    return {name: " ".join(part.split()) for name, part in zip(parts[1::2], parts[2::2], strict=True)}


LISTS = lists(README)


def place(path: str) -> Path:
    """Where a path of the lists is."""
    return (ROOT if path.startswith("tests/") else PACKAGE) / path


def missing(name: str, text: str) -> list[str]:
    """The paths, names and names in files of a list that do not exist."""
    found = []
    for token in re.findall(r"`([^`]+)`", text):
        if "/" in token or token.endswith((".py", ".md", ".html")):
            real = [token.replace("NAME", member) for member in MEMBERS.get(name, ("NAME",))]
            exists = (list(place(path).parent.glob(place(path).name.replace("NAME", "*"))) for path in real)
            found += [] if all(exists) else [token]
        elif match := re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)*)\.([A-Za-z_]+(?:\.[a-z_]+)?)", token):
            module, attribute = match.groups()
            try:
                attrgetter(attribute)(import_module(f"charrnn.{module}"))
            except AttributeError:
                found.append(token)
    for names, path in re.findall(r"((?:`\w+`(?:,? and )?)+) in `([\w/]+\.py)`", text):
        source = place(path).read_text(encoding="utf-8")
        wanted = re.findall(r"`(\w+)`", names)
        found += [f"{n} in {path}" for n in wanted if not re.search(rf"^(class |def )?{n}\b", source, re.MULTILINE)]
    return found


@pytest.mark.parametrize("name", LISTS)
def test_the_files_and_names_of_a_list_exist(name: str) -> None:
    assert not missing(name, LISTS[name])


def test_there_is_a_list_for_each_thing_that_is_often_added() -> None:
    wanted = {"a cell", "an optimizer", "a schedule", "a sampling filter", "a view of `inspect`", "a layout"}
    assert wanted <= LISTS.keys()
    assert all(len(re.findall("`", LISTS[name])) >= 6 for name in wanted)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a cell", "`layers/NAME.py` and `layers/nothing.py`", ["layers/nothing.py"]),
        ("a cell", "`model/NAME.py`", ["model/NAME.py"]),
        ("a nonlinearity of the vanilla cell", "`layers/rnn_NAME.py`, `layers/gru_NAME.py`", ["layers/gru_NAME.py"]),
        ("a layout", "`config.LAYOUTS`, `config.LAYOUT`", ["config.LAYOUT"]),
        ("a filter", "`config.SamplingConfig.check`, `config.SamplingConfig.limit`", ["config.SamplingConfig.limit"]),
        (
            "a layout",
            "`TEXTS` and `TEXT_OF` in `tests/support/trainings.py`",
            ["TEXT_OF in tests/support/trainings.py"],
        ),
        ("a view", "`report/NAME.html`, `cli/inspect/views.py`", ["report/NAME.html"]),
    ],
)
def test_what_does_not_exist_is_found(name: str, text: str, found: list[str]) -> None:
    assert missing(name, text) == found


# What is there is in all places


def literal(path: str, name: str) -> Any:
    """The value that a module gives a name, without importing it."""
    for node in ast.parse(place(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise KeyError(name)


def rows(option: str) -> list[str]:
    """The rows of an option in the reference of the command line."""
    return re.findall(rf"^\| `{option}[ `].*$", (PACKAGE / "cli" / "README.md").read_text(encoding="utf-8"), re.M)


def test_every_cell_is_in_all_places() -> None:
    names = set(CELLS)
    assert names <= {*layers.__all__} & Engine.__annotations__.keys()
    assert names <= set(literal("engine/kernels/__init__.py", "__all__"))
    assert names == set(literal("engine/kernels/decoder.py", "CELLS"))
    assert names == set(literal("tests/checkpoint/test_pytorch_format.py", "GATES"))
    assert names == naive.CELLS.keys() == naive.GATES.keys() == naive.STATES.keys()
    assert set(config.CELLS) == weights.GATES.keys() == shape.GATES.keys()
    assert len(rows("--cell")) == 2  # of train and of warm-up
    assert all(f"`{name}`" in row for name in config.CELLS for row in rows("--cell"))
    for name in names:
        cell = getattr(layers, name)
        assert all(hasattr(cell, part) for part in ("forward", "step", "units_and_gates", "backward"))


def test_every_optimizer_and_schedule_is_in_all_places() -> None:
    names = set(config.OPTIMIZERS)
    assert names == optimizers.OPTIMIZERS.keys() == config.LEARNING_RATES.keys()
    assert all(rate > 0 for rate in config.LEARNING_RATES.values())
    (of_optimizers,), (of_schedules,) = rows("--optimizer"), rows("--schedule")
    assert all(f"`{name}`" in of_optimizers for name in names)
    cases = re.findall(r'case "(\w+)"', (PACKAGE / "training" / "schedules.py").read_text(encoding="utf-8"))
    assert {*cases, "constant"} == set(config.SCHEDULES)
    assert all(f"`{name}`" in of_schedules for name in config.SCHEDULES)


def test_every_filter_is_in_all_places() -> None:
    names = [field.name for field in fields(config.SamplingConfig) if callable(getattr(filters, field.name, None))]
    assert {"top_k", "min_p", "loop_penalty"} <= set(names)
    for path in ("engine/kernels/filters.py", "cli/sample/command.py", "cli/sample/settings.py"):
        text = place(path).read_text(encoding="utf-8")
        assert not [name for name in names if not re.search(rf"\b{name.removesuffix('_penalty')}", text)], path


def configured(source: str) -> set[str]:
    """The fields of `SamplingConfig` that the configurations in the list CONFIGS of a test set."""
    (configs,) = (
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONFIGS"
    )
    calls = (node for node in ast.walk(configs) if isinstance(node, ast.Call))
    return {keyword.arg for call in calls for keyword in call.keywords if keyword.arg}


SETTINGS = {field.name: field.default for field in fields(config.SamplingConfig)}


def test_every_setting_of_the_filters_is_compared_between_the_engines() -> None:
    lists = (place(f"tests/sampling/{name}.py").read_text(encoding="utf-8") for name in FILTER_TESTS)
    assert SETTINGS.keys() == set().union(*map(configured, lists))


def test_the_settings_of_a_list_of_configurations_are_found() -> None:
    source = "CONFIGS = [\n    SamplingConfig(),\n    SamplingConfig(temp=0, top_k=3),\n]\nOTHERS = [f(min_p=1)]\n"
    assert configured(source) == {"temp", "top_k"}


@pytest.mark.parametrize("name", [name for name in SETTINGS if SETTINGS[name] != ""])
def test_every_number_of_the_filters_is_checked(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        config.SamplingConfig(**{name: -1})


def test_every_view_is_in_all_places() -> None:
    assert VIEWS.keys() == TERMINAL_VIEWS.keys()
    assert all((PACKAGE / "inspection" / "report" / "sections" / f"{name}.html").exists() for name in VIEWS)


def test_every_layout_is_in_all_places() -> None:
    names = set(config.LAYOUTS)
    assert names == trainings.TEXTS.keys() == trainings.SMALL.keys()
    assert {*config.LINE_LAYOUTS, *config.PAIR_LAYOUTS} == names - {"stream"}
    assert names >= {*config.REWRITING_LAYOUTS, *config.UNIT_OF_LAYOUT, *options.DEFAULTS_OF_LAYOUT}
    assert config.FORM_OF_LAYOUT.keys() == run.COMMANDS.keys()
    assert {*config.FORM_OF_LAYOUT.values(), "language_model"} == set(config.FORMS)
    assert names >= {*given.LAYOUT_FLAGS, *announcement.UNITS}
    assert announcement.UNITS.keys() == bad_lines.COLUMNS.keys() == set(config.PAIR_LAYOUTS)
    assert jobs.TEXTS.keys() == {"stream", *config.FORM_OF_LAYOUT}  # one for each form
