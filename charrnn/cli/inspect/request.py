"""The request: the views that the command line asks for, and where their results go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from charrnn.cli.inspect.target import MAX_TEXT
from charrnn.cli.terminal.console import unit as parse_unit
from charrnn.errors import ConfigError
from charrnn.inspection.features import pattern_feature
from charrnn.inspection.views import VIEWS, View, ViewOptions, views_for
from charrnn.model.model import Model

MAX_PRINTED, MAX_DRAWN = 1000, 3200
"""The most characters of a text that are shown in the terminal, and in a picture."""


@dataclass(frozen=True)
class InspectRequest:
    """The requested views and what goes with them.

    Raises `ConfigError` for options that contradict each other, and for an invalid pattern or unit.
    """

    texts: Mapping[str, str | None]
    """The requested views by name, each with the text for it, if it takes one."""
    patterns: list[str]
    unit: str | None
    corpus: Path | None
    encoding: str | None
    page: Path | None
    plot: Path | None
    as_json: bool
    force: bool
    no_text: bool = False
    """Leave out of the page all texts that were read."""
    options: ViewOptions = field(init=False)
    """What is chosen about the views."""

    def __post_init__(self) -> None:
        for is_wrong, why in self._contradictions():
            if is_wrong:
                raise ConfigError(why)
        unit = None if self.unit is None else parse_unit(self.unit)
        max_shown = MAX_TEXT if self.as_json else MAX_PRINTED if self.plot is None else MAX_DRAWN
        features = [pattern_feature(pattern) for pattern in self.patterns]
        object.__setattr__(self, "options", ViewOptions(features, unit, max_shown))

    @property
    def views(self) -> list[View]:
        """The requested views."""
        return [VIEWS[name] for name in self.texts]

    @property
    def combines_models(self) -> bool:
        """Whether all of the requested views show several models in one chart."""
        return all(view.combines_models for view in self.views)

    def check_models(self, models: list[Model]) -> None:
        """Raises `ConfigError` for views that the models can't have, for units that don't exist, and for a picture of
        several models or a page of several forms, if it can't be.
        """
        forms = [*dict.fromkeys(model.config.form for model in models)]
        for view in self.views:
            for form in forms:
                if form not in view.forms:
                    raise ConfigError(_no_such_view(view, form))
        if self.page is not None and len(forms) > 1:
            names = " and ".join(f"a {form.replace('_', ' ')}" for form in forms)
            raise ConfigError(f"--page shows models of one form, not {names}: write a page for each")
        if self.plot is not None and len(models) > 1 and not self.combines_models:
            raise ConfigError(f"--plot draws --{self.views[0].name} of one model: name only one")
        if self.options.unit is not None:
            for model in models:
                model.check_unit(*self.options.unit)

    def _contradictions(self) -> list[tuple[object, str]]:
        """Options that exclude each other, or need one that is missing: whether they are given, and what is wrong."""
        names = set(self.texts)
        with_text = _list_options("or", [view for view in VIEWS.values() if view.takes_text])
        reading = _list_options("and", [view for view in VIEWS.values() if view.reads_validation])
        reads_corpus = self.page or any(view.reads_validation for view in self.views)
        output, texts = self.page or self.plot, [text for text in self.texts.values() if text is not None]
        return [
            (self.patterns and "neurons" not in names, "--feature needs --neurons TEXT: give the text too"),
            (self.unit is not None and "neurons" not in names, "--unit needs --neurons TEXT: give the text too"),
            (self.corpus and not reads_corpus, f"--corpus is only for {reading} and --page: add one of them"),
            (str(self.corpus) == "-", f"--corpus is a file: only {with_text} can read stdin"),
            (self.encoding and not (texts or self.corpus), f"--encoding is for files: add --corpus, {with_text}"),
            (self.force and not output, "--force is only for --page and --plot: add one of them"),
            (self.no_text and not self.page, "--no-text is only for --page: add it"),
            (self.page and self.plot, "--page and --plot can't both be given: leave one out"),
            (output and self.as_json, "--json can't be given with --page or --plot: leave it out"),
            (self.page and len(texts) < len(names), "--page shows all views: leave out those without a text"),
            (self.page and len(texts) > 1, f"--page shows one text: give {with_text}"),
            (self.page and self.unit is not None, "--page lets the reader choose any unit: leave out --unit"),
            (self.plot and len(names) != 1, "--plot draws a single view: name one, such as --history"),
            (texts.count("-") > 1, "stdin can be read only once: give - once"),
        ]


def requested_views(options: Mapping[str, object]) -> dict[str, str | None]:
    """The views among the options of the command line, each with the text for it, if it takes one."""
    given = {name: options[name] for name in VIEWS if options[name] not in (None, False)}
    return {name: value if isinstance(value, str) else None for name, value in given.items()}


def _no_such_view(view: View, form: str) -> str:
    """Why a form of network can't have a view, and which views it has."""
    wanted = " or ".join(f"a {name.replace('_', ' ')}" for name in view.forms)
    others = [f"--{other.name}{' TEXT' * other.takes_text}" for other in views_for(form)]
    return f"--{view.name} shows {wanted}, and this is a {form.replace('_', ' ')}: use {_listed('or', others)}"


def _list_options(conjunction: str, views: list[View]) -> str:
    """The options of some views, as a part of a sentence."""
    return _listed(conjunction, [f"--{view.name}" for view in views])


def _listed(conjunction: str, words: list[str]) -> str:
    """Some words as a part of a sentence."""
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last
