"""The ends of the texts of `charrnn sample`: notices for those that can't come, and for texts that have none."""

from collections.abc import Iterator

from charrnn.dataset.vocabulary import MAX_NAMED, describe
from charrnn.errors import ConfigError, counted
from charrnn.model.model import Model
from charrnn.sampling.charset import charset_mask
from charrnn.sampling.ending import can_end, missing
from charrnn.sampling.request import SamplingRequest


def check_match(model: Model, request: SamplingRequest) -> None:
    """Raises `ConfigError` if texts that should match may go on without end: then none is ever a match as a whole."""
    if not can_end(request.as_read(model), model.vocabulary):
        raise ConfigError(
            "--match with --length -1 may go on without end: give a --length of 0 or more, or a --stop text"
        )


def impossible(model: Model, request: SamplingRequest) -> Iterator[str]:
    """A notice for each text that should end what is written, and never comes."""
    request = request.as_read(model)
    vocabulary, config = model.vocabulary, request.config
    mask = charset_mask(config, vocabulary.characters, request.stops, vocabulary.is_bytes)
    for word, texts in (("before", request.stops), ("after", request.stop_after)):
        for text in dict.fromkeys(texts):
            if unknown := missing(text, vocabulary):
                why = f"the model has never seen {_named(unknown)}"
            elif mask is not None and not mask[vocabulary.encode(text)].all():
                left_out = "".join(c for c in dict.fromkeys(text) if not mask[vocabulary.encode(c)].all())
                why = f"--allow and --ban leave out {_named(left_out)}"
            else:
                continue
            yield f"no text can end {word} {text!r}: {why}"


def _named(characters: str) -> str:
    """Some of the characters by name."""
    more = f" and {len(characters) - MAX_NAMED} more" if len(characters) > MAX_NAMED else ""
    return ", ".join(map(describe, characters[:MAX_NAMED])) + more


def without_sentence(request: SamplingRequest, empty: int) -> str:
    """The notice for texts that came out empty because no sentence ends in them."""
    texts = "this text is" if empty == 1 else f"{empty:,} texts are"
    least = f", and after the first {request.min_length:,}" if request.min_length else ""
    within = counted(request.max_length, "characters")
    return f"no {request.end} ends within {within}{least}: {texts} empty; give a larger --length"
