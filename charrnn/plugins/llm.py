"""The plugin for the program `llm`: each model in `checkpoints/`, and the bundled one, continues a prompt.

llm finds this module by its entry point, and imports it for each of its commands. What computes is imported when a
model writes.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.config import MAX_SEED
from charrnn.errors import CharRNNError, VocabularyError
from charrnn.optional import require

require("charrnn's plugin", "llm")

import llm  # noqa: E402
from pydantic import Field  # noqa: E402

if TYPE_CHECKING:
    from charrnn.model.model import Model
    from charrnn.sampling.request import SamplingRequest

PREFIX = "charrnn"
"""The first part of the models' names and, alone, the name of the one that `charrnn sample` takes."""
MAX_DRAWN_SEED = 999_999
"""The largest seed that is drawn: short enough to type again."""


class CharRNN(llm.Model):  # type: ignore[misc]
    """A model's file. The text goes on after the prompt: a character-level model knows no questions and answers."""

    can_stream = True

    class Options(llm.Options):  # type: ignore[misc]
        """How the text is drawn, and where it ends."""

        temperature: float = Field(
            1.0, ge=0, le=1e6, description="Low is more conservative, high more varied; 0: always the likeliest."
        )
        top_k: int = Field(0, ge=0, description="Draw from the k likeliest characters only; 0: from all.")
        top_p: float = Field(
            1.0, gt=0, le=1, description="Draw from the likeliest characters, up to this total probability."
        )
        min_p: float = Field(
            0.0, ge=0, le=1, description="Draw from characters at least this probable, relative to the likeliest one."
        )
        max_tokens: int | None = Field(
            None, ge=0, description="The most characters to write. Default: 1000; of a line twice the longest."
        )
        seed: int | None = Field(None, ge=0, le=MAX_SEED, description="The same seed gives the same text.")
        stop: str | list[str] | None = Field(None, description=r"End before this text; \n in it is a newline.")
        unknown: str = Field(
            "error", description="Characters of the prompt that the model has never seen: error, skip or nearest."
        )
        label: str | None = Field(None, description="The label of the text, for a model of labels and texts.")

    def __init__(self, name: str, path: Path):
        self.model_id, self.path = f"{PREFIX}/{name}", path

    def __str__(self) -> str:
        return f"charrnn: {self.model_id}"

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        """Yields the text as it is drawn; llm keeps the seed with its log. Raises `llm.ModelError`."""
        try:
            yield from self._write(prompt, response)
        except VocabularyError as error:
            raise llm.ModelError(f"{error} with -o unknown skip, or replace them with -o unknown nearest") from None
        except CharRNNError as error:
            raise llm.ModelError(str(error)) from None

    def _write(self, prompt: Any, response: Any) -> Iterator[str]:
        from charrnn.config import SamplingConfig
        from charrnn.dataset.escapes import unescape
        from charrnn.errors import ConfigError
        from charrnn.sampling.request import SamplingRequest

        options = prompt.options
        if prompt.system:
            raise ConfigError("a character-level model takes no instructions: leave out the system prompt")
        stops = [options.stop] if isinstance(options.stop, str) else options.stop or []
        seed = secrets.randbelow(MAX_DRAWN_SEED + 1) if options.seed is None else options.seed
        request = SamplingRequest(
            length=options.max_tokens,
            seed=seed,
            config=SamplingConfig(options.temperature, options.top_k, options.top_p, options.min_p),
            stops=[unescape(stop, "stop") for stop in stops],
        )
        response.response_json = {"seed": seed}
        model = _load(self.path, options.max_tokens)
        prime, _ = model.vocabulary.replace_unknown(_text(prompt.messages, model.reads_lines), options.unknown)
        written = 0
        for piece in _pieces(model, request, prime, options.label):
            written += len(piece)
            yield piece
        response.set_usage(input=len(prime), output=written)


def _load(path: Path, length: int | None) -> "Model":
    """The model, with the engine for so many characters. Raises `ConfigError` for one that is no language model."""
    from dataclasses import replace

    from charrnn import engine as engines
    from charrnn.checkpoint.model_file import load
    from charrnn.engine import compile_time

    model = load(path).model
    model.check_language_model()
    characters = model.default_length if length is None else length
    choice = engines.choose("auto", characters, kernels=compile_time.sampling())
    return replace(model, engine=engines.load(choice.engine))


def _text(messages: list[Any], last_only: bool) -> str:
    """The text to continue: all that was said in a conversation and, with `last_only`, the last of it."""
    said = ["".join(getattr(part, "text", "") for part in message.parts) for message in messages]
    return "".join(said[-1:] if last_only else said)


def _pieces(model: "Model", request: "SamplingRequest", prime: str, label: str | None) -> Iterator[str]:
    """What follows the prime; of a model of lines or records the rest of one, which comes as a whole."""
    from charrnn.errors import ConfigError
    from charrnn.sampling.generate import TextGenerator
    from charrnn.sampling.lines import sample_lines

    if model.reads_lines:
        return (sample.text for sample in sample_lines(model, request, count=1, prime=prime, label=label))
    if label is not None:
        raise ConfigError("a label needs a model of pairs: `charrnn train --pairs` makes one")
    return TextGenerator(model, request, prime=prime).pieces()


@llm.hookimpl  # type: ignore[untyped-decorator]
def register_models(register: Callable[..., None]) -> None:
    """Offers the models in `checkpoints/`, and the bundled one unless a model there has its name."""
    from charrnn.checkpoint.paths import BUNDLED, SUFFIX, bundled_model, models

    found: dict[str, Path] = {}
    with suppress(OSError):  # llm has other work in a folder that can't be read
        found = {path.name.removesuffix(SUFFIX): path for path in models()}
    if (path := bundled_model()) is not None:
        found.setdefault(BUNDLED, path)
    for n, (name, path) in enumerate(found.items()):
        register(CharRNN(name, path), aliases=() if n else (PREFIX,))
