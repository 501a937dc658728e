"""The settings of the interactive mode: what the next piece is written with, and the commands that change it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from charrnn.cli.sample import ends
from charrnn.cli.sample.commands import FIELDS
from charrnn.cli.sample.constraints import constraint_factory
from charrnn.cli.sample.options import parse_temperatures
from charrnn.cli.sample.primes import clean_prime
from charrnn.cli.terminal.console import silent
from charrnn.config import MAX_SEED, SamplingConfig, one_of
from charrnn.dataset.escapes import escape, unescape
from charrnn.dataset.vocabulary import POLICIES, TAB
from charrnn.errors import ConfigError
from charrnn.model.model import Model
from charrnn.sampling.lines import check_label, draw_label
from charrnn.sampling.request import SamplingRequest

SENTENCE = "sentence"
"""The length of a piece that ends with its first sentence, and the end of one that ends with its last."""
WHOLE_NUMBERS = ("length", "seed", "min_length")
NUMBERS = ("top_k", "top_p", "min_p", "typical", "loop_penalty")
CHARACTERS = ("allow", "ban")
END_FIELDS = {"stop": "stops", "stop_after": "stop_after", "end": "end"}
"""The commands that say where a piece ends, and their fields of a `SamplingRequest`."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Settings:
    """What the next piece is written with."""

    model: Model
    request: SamplingRequest
    """Its seed is that of the next piece; its prime is not used."""
    options: Mapping[str, Any]
    """The options of the command line."""
    label: str | None
    """The source of the texts of a model of pairs; None: it is typed."""
    match: str | None
    unknown: str
    one_sentence: bool
    """Whether a piece ends with its first sentence."""
    notice: Callable[[str], None]

    @classmethod
    def from_options(
        cls,
        model: Model,
        request: SamplingRequest,
        options: Mapping[str, Any],
        writes_on: bool,
        notice: Callable[[str], None],
    ) -> "Settings":
        """Those of the command line; if the model `writes_on`, by a sentence unless that says otherwise."""
        given = any(options[name] is not None for name in ("length", "match", "end")) or options["stop_after"]
        one_sentence = writes_on and not given and not any(request.stops)
        label, match, unknown = (options[name] for name in ("label", "match", "unknown"))
        return cls(model, request, options, label, match, unknown, one_sentence, notice)

    def clean(self, text: str) -> str:
        """What was typed, with its unknown characters treated as `/unknown` says. Raises `VocabularyError`."""
        return clean_prime(text, self.model, self.unknown, silent if self.options["quiet"] else self.notice)

    def with_source(self, text: str) -> str:
        """What was typed, for a model of pairs with a source and a tab before it, unless it has them.

        The source is the label, or else all that was typed or, of nothing, a label that is drawn for the next seed.
        Raises `ConfigError` for a source that is not among the labels, or none, and for a second tab.
        """
        if self.model.layout != "pairs":
            return text
        if TAB in text:
            source, _, target = text.partition(TAB)
            if not source or TAB in target:
                raise ConfigError("type a source, one tab and how its target begins")
            check_label(self.model, source)
            return text
        if self.label is not None:
            return f"{self.label}{TAB}{text}"
        if not text and self.model.labels is None:
            raise ConfigError("type a source; a tab and how its target begins may follow")
        check_label(self.model, text or None)
        return f"{text or draw_label(self.model, self.request.seed)}{TAB}"

    def with_next_seed(self) -> "Settings":
        """Those for the piece after the next."""
        return replace(self, request=replace(self.request, seed=next_seed(self.request.seed)))

    def changed(self, name: str, value: str) -> "Settings":
        """Those after a command; its name is that of the field. Raises `ConfigError` for a value out of range."""
        name = FIELDS.get(name, name)
        if name == "unknown":
            one_of("unknown", value.strip(), POLICIES)
            return replace(self, unknown=value.strip())
        if name == "label":
            if value:
                check_label(self.model, value)
            return replace(self, label=value or None)
        if name == "match":
            return self._with_match(value)
        if name == "length" and value.strip() == SENTENCE:
            self._check_ends_are_free()
            request = replace(self.request, length=self.model.default_length)
            return replace(self, one_sentence=True, request=request)
        if name in END_FIELDS:
            self._check_ends_are_free()
            return replace(self, request=self._checked(self._with_end(name, value)), one_sentence=False)
        if name in WHOLE_NUMBERS:
            one_sentence = self.one_sentence and name != "length"
            changes: dict[str, Any] = {name: number(name, value, int)}
            return replace(self, request=replace(self.request, **changes), one_sentence=one_sentence)
        if name == "temp":
            changes = dict(zip(("temp", "to_temp"), self._temperatures(value), strict=True))
        else:
            changes = {name: value if name in CHARACTERS else number(name, value, int if name == "top_k" else float)}
        config = replace(self.request.config, **changes)
        return replace(self, request=self._checked(replace(self.request, config=config)))

    def shown(self, name: str) -> str:
        """A setting as it is."""
        name = FIELDS.get(name, name)
        config = self.request.config
        if name == "length" and self.one_sentence:
            value = f"a sentence, at most {self.request.max_length:,} characters"
        elif name == "temp" and config.to_temp is not None:
            value = f"{config.temp:g}:{config.to_temp:g}"
        elif name in ("label", "match", "unknown"):
            value = getattr(self, name)
        elif name in END_FIELDS:
            found = getattr(self.request, END_FIELDS[name])
            value = found if isinstance(found, str) else " ".join(map(escape, found or ()))
        else:
            value = getattr(config if hasattr(config, name) else self.request, name)
            value = f"{value:g}" if isinstance(value, float) else value
        return f"{name.replace('_', '-')} {value}"

    def summary(self) -> str:
        """Those that matter, and those that have been set."""
        names = ["seed", "length", "temp", "unknown"]
        config, default = self.request.config, SamplingConfig()
        names += [name for name in (*NUMBERS, *CHARACTERS) if getattr(config, name) != getattr(default, name)]
        names += [name for name, field in END_FIELDS.items() if getattr(self.request, field)]
        names += ["min_length"] if self.request.min_length else []
        names += [name for name in ("label", "match") if getattr(self, name) is not None]
        return "; ".join(map(self.shown, names))

    def _with_match(self, value: str) -> "Settings":
        """Those with another expression that each piece matches, or with none."""
        request, options = self.request, self.options
        if value and (request.end or any(request.stop_after)):
            raise ConfigError("/match says where a text ends: remove /stop-after and /end first")
        constraints = constraint_factory(self.model, value or None, options["max_copy"], options["corpus"], self.notice)
        one_sentence = self.one_sentence and not value
        return replace(
            self, match=value or None, request=replace(request, constraints=constraints), one_sentence=one_sentence
        )

    def _check_ends_are_free(self) -> None:
        if self.match is not None:
            raise ConfigError("/match says where a text ends: type it alone first, which removes it")

    def _temperatures(self, value: str) -> tuple[float, float | None]:
        try:
            return parse_temperatures(value)
        except ConfigError:
            raise ConfigError(f"/temp needs a number, or two as in 0.4:1.2, not {value!r}") from None

    def _with_end(self, name: str, value: str) -> SamplingRequest:
        """The request with another end of its texts, or without those of this kind."""
        changes: dict[str, Any] = {"end": value.strip() or None}
        if name != "end":
            field = END_FIELDS[name]
            always = [self.model.end] if self.model.reads_lines and field == "stops" else []
            changes = {field: [*getattr(self.request, field), unescape(value, f"/{name}")] if value else always}
        return replace(self.request, **changes)

    def _checked(self, request: SamplingRequest) -> SamplingRequest:
        """The request, with a notice for each text that should end what is written, and never comes.

        Raises `ConfigError` for an invalid character set.
        """
        for line in ends.impossible(self.model, request):
            self.notice(line)
        return request


def number(name: str, value: str, kind: type[Number]) -> Number:
    """The number that a field is set to. Raises `ConfigError` for other text."""
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(f"{name} needs a {'whole ' * (kind is int)}number, not {value!r}", name) from None


def next_seed(seed: int) -> int:
    """The seed after one: the first follows the last."""
    return seed + 1 if seed < MAX_SEED else 0
