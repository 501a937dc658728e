"""The request for completions: the fields of OpenAI's, what they ask of a model, and which prompts they continue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.config import MAX_SEED, REWRITING_LAYOUTS, SamplingConfig
from charrnn.dataset.vocabulary import TAB
from charrnn.model.model import Model
from charrnn.sampling.request import SamplingRequest
from charrnn.server import fields
from charrnn.server.errors import ApiError
from charrnn.types import Ids

DEFAULT_TOKENS = 16
"""The characters of a completion if none are given, as the original has it."""
MAX_CHOICES = 128
MAX_STOPS = 4
MAX_STOP_CHARS = 1000
MAX_LOGPROBS = 5
MAX_TEMP = 2.0
Prompt = str | list[int]


@dataclass(frozen=True)
class CompletionRequest:
    """What a client asks for; what it leaves out has the original's default."""

    model: str | None
    prompts: Sequence[Prompt]
    max_tokens: int
    seed: int | None
    n: int
    best_of: int
    stops: Sequence[str]
    config: SamplingConfig
    logprobs: int | None
    """How many of the likeliest characters are told in place of each; None: no log-probabilities."""
    echo: bool
    stream: bool
    include_usage: bool
    """Whether a stream ends with the numbers of characters."""

    def sampling_request(self, model: Model, index: int, first_seed: int) -> SamplingRequest:
        """How the text with this index is drawn: its seed is `first_seed + index`."""
        stops = [*self.stops, *([model.end] if model.reads_lines else [])]
        seed = (first_seed + index) % (MAX_SEED + 1)
        return SamplingRequest(length=self.max_tokens, seed=seed, config=self.config, stops=stops).as_read(model)


def parse(body: bytes, max_tokens: int) -> CompletionRequest:
    """The request in a body. Raises `ApiError` if it is none, or asks for more than `max_tokens` characters a text."""
    found = fields.check_fields(fields.read_object(body), CHECKS)
    if found["max_tokens"] is None:
        found["max_tokens"] = min(DEFAULT_TOKENS, max_tokens)
    fields.whole(0, max_tokens)("max_tokens", found["max_tokens"])
    n, best_of = found["n"], found["best_of"]
    if best_of is not None and best_of < n:
        raise ApiError("best_of must be at least n", "best_of")
    if found["stream"] and (best_of or n) > n:
        raise ApiError("the best of several completions is known at their end, and can't be streamed", "best_of")
    if found["stream_options"] is not None and not found["stream"]:
        raise ApiError("stream_options is only allowed when stream is true", "stream_options")
    if len(found["prompt"]) * (best_of or n) > MAX_CHOICES:
        raise ApiError(f"a request can ask for at most {MAX_CHOICES} completions of all its prompts together", "n")
    return CompletionRequest(
        model=found["model"],
        prompts=found["prompt"],
        max_tokens=found["max_tokens"],
        seed=found["seed"],
        n=n,
        best_of=best_of or n,
        stops=[stop for stop in found["stop"] if stop],
        config=SamplingConfig(
            temp=found["temperature"],
            **{name: found[name] for name in ("top_k", "top_p", "min_p", "typical", "loop_penalty")},
        ),
        logprobs=found["logprobs"],
        echo=found["echo"],
        stream=found["stream"],
        include_usage=bool(found["stream_options"]),
    )


def _prompts(name: str, value: Any) -> list[Prompt]:
    """A text, a list of texts, a list of ids of characters, or a list of such lists."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise fields.wrong_type(name, value, "string")
    if not value:
        raise ApiError(f"[] is too short - '{name}'", name)
    if all(map(_is_id, value)):
        return [value]
    if len(value) > MAX_CHOICES:
        raise ApiError(f"a request can have at most {MAX_CHOICES} prompts - '{name}'", name)
    if all(isinstance(each, str) for each in value):
        return value
    if all(isinstance(each, list) and each and all(map(_is_id, each)) for each in value):
        return value
    raise ApiError(f"a prompt is a string, or a list of the ids of characters; or a list of one kind - '{name}'", name)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _stream_options(name: str, value: Any) -> bool:
    if not isinstance(value, dict):
        raise fields.wrong_type(name, value, "object")
    known = {"include_usage": (fields.flag, False), "include_obfuscation": (fields.flag, False)}
    return bool(fields.check_fields(value, known)["include_usage"])


CHECKS: dict[str, tuple[fields.Check, Any]] = {
    "model": (fields.text, None),
    "prompt": (_prompts, [""]),
    "max_tokens": (fields.whole(0, 2**53), None),
    "temperature": (fields.number(0, MAX_TEMP), 1.0),
    "top_p": (fields.number(0, 1, above=True), 1.0),
    "n": (fields.whole(1, MAX_CHOICES), 1),
    "best_of": (fields.whole(1, MAX_CHOICES), None),
    "stop": (fields.texts(MAX_STOPS, MAX_STOP_CHARS), ()),
    "seed": (fields.whole(-(2**63), 2**63 - 1), None),
    "logprobs": (fields.whole(0, MAX_LOGPROBS), None),
    "echo": (fields.flag, False),
    "stream": (fields.flag, False),
    "stream_options": (_stream_options, None),
    "user": (fields.text, None),
    # what the original has not
    "top_k": (fields.whole(0, 0x110000), 0),
    "min_p": (fields.number(0, 1), 0.0),
    "typical": (fields.number(0, 1, above=True), 1.0),
    "loop_penalty": (fields.number(0, 1e6), 0.0),
    # what it has, and a network of characters has not
    "suffix": (fields.unsupported(""), None),
    "presence_penalty": (fields.unsupported(0, 0.0), None),
    "frequency_penalty": (fields.unsupported(0, 0.0), None),
    "logit_bias": (fields.unsupported({}), None),
}
"""The fields of a request, what each may be, and its default."""


def prime_ids(model: Model, prompt: Prompt, unknown: str) -> Ids:
    """The ids [N] of a prompt as the model reads it; `unknown` says what to do with characters it has never seen.

    Raises `ApiError` for a prompt that it can't continue, and `VocabularyError` for one with unknown characters.
    """
    vocabulary = model.vocabulary
    model.check_language_model()
    if isinstance(prompt, list):
        if not all(0 <= v < len(vocabulary) for v in prompt):
            raise ApiError(f"the ids of characters are from 0 to {len(vocabulary) - 1} - 'prompt'", "prompt")
        text = vocabulary.decode(prompt) if not vocabulary.is_bytes else bytes(prompt).decode("latin-1")
        ids = np.array(prompt, vocabulary.dtype)
    else:
        text = model.text_form.normalize(prompt)
        if model.reads_lines and not model.reads_records:
            text = text.removesuffix("\n")
        text, _ = vocabulary.replace_unknown(text, unknown)
        ids = vocabulary.encode(text)
    if model.layout in REWRITING_LAYOUTS and TAB not in text:
        raise ApiError("this model writes the targets of sources: begin the prompt with a source and a tab", "prompt")
    if model.reads_lines and model.end in text:
        unit = model.record_form.unit
        raise ApiError(f"the prompt has several {unit}: give the beginning of one {unit[:-1]}", "prompt")
    return ids


def as_text(model: Model, ids: Ids) -> str:
    """The text of a prompt."""
    if model.vocabulary.is_bytes:
        return bytes(ids.tolist()).decode("utf-8", "surrogateescape")
    return model.vocabulary.decode(ids)
