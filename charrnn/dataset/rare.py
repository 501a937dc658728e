"""The rare characters of a corpus: what they cost, and a corpus in which others stand for them."""

from dataclasses import replace

from charrnn.dataset.corpus import Corpus
from charrnn.dataset.id_counts import CharacterCount, blocks_of, count
from charrnn.dataset.replacement import MarkPlaces, substitute
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError


def replace_rare(corpus: Corpus, min_count: int) -> Corpus:
    """The corpus without the characters that occur less than `min_count` times, which are its `rare` ones.

    Each is replaced by the most similar one that is kept, or left out if none is: see `Vocabulary.nearest`. A newline
    and the end of a record are always kept. In a text of its own to validate on the same characters are replaced, and
    those that only it has. Raises `ConfigError` for bytes, and `CorpusError` if no character occurs so often.
    """
    if not min_count:
        return corpus
    if corpus.vocabulary.is_bytes:
        raise ConfigError("min_count is for characters: leave out `as_bytes`")
    characters = corpus.vocabulary.characters
    counts = count(blocks_of(corpus.ids), len(characters))
    kept = counts >= min_count
    if not kept.any():
        raise CorpusError(f"no character of {corpus.name} occurs {min_count:,} times: give a smaller `min_count`")
    kept |= [c in ("\n", corpus.record_form.end) for c in characters]
    if kept.all():
        return corpus
    found = CharacterCount.from_counts(counts[~kept], len(corpus.ids))
    vocabulary = Vocabulary(c for c, is_kept in zip(characters, kept, strict=True) if is_kept)
    places = MarkPlaces(characters, vocabulary)
    texts = [c if is_kept else vocabulary.nearest(c, "") for c, is_kept in zip(characters, kept, strict=True)]
    new_ids = [vocabulary.encode(text) for text in (*texts, *places.texts)]
    held_out = corpus.held_out
    if held_out is not None:
        held_out = replace(held_out, ids=substitute(places.split(held_out.ids), new_ids))
    ids = substitute(places.split(corpus.ids), new_ids)
    return replace(corpus, ids=ids, vocabulary=vocabulary, held_out=held_out, rare=found)
