"""The listing: whole records, drawn one after the other until there are as many as are wanted of the kind wanted."""

from collections.abc import Iterator, Sequence

import numpy as np

from charrnn.config import LAST_SEED, SamplingConfig, between
from charrnn.errors import ConfigError, SamplingError
from charrnn.model import Model
from charrnn.notation import Array, Ids
from charrnn.sampling import BATCH, Sample, draw

AHEAD = 16
"""Characters that are drawn between two looks at whether all have come to an end."""
TRIES = 1000
"""Records that are drawn in vain, one after the other, before it is said that there are no others."""


def lines(
    model: Model,
    *,
    count: int,
    prime: str = "",
    length: int | None = None,
    seed: int = 0,
    config: SamplingConfig | None = None,
    novel: bool = False,
    unique: bool = False,
) -> Iterator[Sample]:
    """Draws `count` records, each up to its line end, or up to `length` characters: twice the longest one learned.

    The prime is the beginning of each; a line end after it is dropped. `novel` leaves out those that stand in the text
    that the model was trained on, `unique` those that were drawn before. The first record has the given seed; each
    other one, and each that is drawn in the place of one left out, has the next. So a record, drawn with its own seed
    as the first and the only one, is the same again.

    The text of a record has no line end, but its likelihood has. Raises `ConfigError` where the model is none of
    records, or its lines are not known, or the prime has several; `VocabularyError` where the prime has characters
    that are not known; and `SamplingError` where `TRIES` records in a row were left out.
    """
    if model.known is None:
        raise ConfigError("this is no model of records, but of running text: records come from `charrnn train --lines`")
    if novel and model.known.digests is None:
        raise ConfigError("what is new this model can't tell: it was trained on too many lines to know them all")
    length = 2 * model.known.longest if length is None else length
    between("seed", seed, 0, LAST_SEED)
    between("length", length, 0)
    prime = prime.removesuffix("\n")
    if "\n" in prime:
        raise ConfigError("a record is a line, and this prime has several: give the beginning of one")
    return _chosen(model, count, prime, length, seed, config or SamplingConfig(), novel, unique)


def _chosen(
    model: Model,
    count: int,
    prime: str,
    length: int,
    seed: int,
    config: SamplingConfig,
    novel: bool,
    unique: bool,
) -> Iterator[Sample]:
    """The records that are not left out, in the order of their seeds."""
    assert model.known is not None
    seen: set[str] = set()
    left, in_vain = count, 0
    while left:
        seeds = range(seed, seed + min(BATCH, left + in_vain))
        seed = seeds.stop
        for record, line in _drawn(model, prime, length, seeds, config):
            if (novel and (not line or line in model.known)) or line in seen:
                in_vain += 1
                if in_vain == TRIES:
                    raise SamplingError(_told(novel, unique))
                continue
            if unique:
                seen.add(line)
            yield record
            left, in_vain = left - 1, 0
            if not left:
                break


def _told(novel: bool, unique: bool) -> str:
    was = " or ".join(["stands in the text that it learned"] * novel + ["was drawn before"] * unique)
    return f"the model has no more to say: each of {TRIES:,} records {was}; try a higher --temp, or ask for fewer"


def _drawn(
    model: Model, prime: str, length: int, seeds: Sequence[int], config: SamplingConfig
) -> Iterator[tuple[Sample, str]]:
    """The records of some seeds, drawn side by side, each with the whole line that it is: its prime and its text."""
    vocabulary, begun = model.vocabulary, model.vocabulary.encode(prime)
    ids, logps = _until_all_end(model, prime, length, seeds, config)
    for i, seed in enumerate(seeds):
        (ends,) = np.nonzero(ids[:, i] == vocabulary.start)
        n = int(ends[0]) if len(ends) else min(length, len(ids))
        chars = n + bool(len(ends))
        text = vocabulary.decode(ids[:n, i])
        line = vocabulary.decode(np.concatenate((begun, ids[:n, i])))  # of bytes the two may share a character
        yield Sample(text, prime, seed, config.temp, float(logps[:chars, i].sum()), chars), line


def _until_all_end(
    model: Model, prime: str, length: int, seeds: Sequence[int], config: SamplingConfig
) -> tuple[Ids, Array]:
    """Ids [N, B] and log-probabilities [N, B] up to the last of B line ends, or to a character more than the length.

    Behind its line end, which `Vocabulary.start` is, a sample goes on with what is of no use.
    """
    pieces, ended = [], np.zeros(len(seeds), bool)
    for ids, logps in draw(model, prime, seeds, config, AHEAD):
        pieces.append((ids, logps))
        ended |= (ids == model.vocabulary.start).any(axis=0)
        if ended.all() or len(pieces) * AHEAD > length:
            break
    ids, logps = (np.concatenate(parts)[: length + 1] for parts in zip(*pieces, strict=True))
    return ids, logps
