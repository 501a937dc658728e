"""The constraints that `charrnn sample` puts on its texts: --match and --max-copy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from charrnn.dataset import files
from charrnn.dataset.corpus import Corpus, read
from charrnn.dataset.encoding_detection import encoding_advice
from charrnn.dataset.files import Source
from charrnn.errors import CorpusError
from charrnn.model.model import Model
from charrnn.sampling.constraints import ConstraintFactory, CorpusNgrams, MaxCopy

ASCII = bytes(range(0x80))
MAX_INVALID = 0.001
"""The largest share of the characters of a corpus that may be bytes which can't be decoded."""
SAMPLE_SIZE = 1 << 15
"""The bytes of a corpus from which its encoding is guessed."""
CHECK_BLOCK = 1 << 20
"""The characters that are checked at once."""


def constraint_factory(
    model: Model, match: str | None, max_copy: int | None, corpus: Path | None, notice: Callable[[str], None]
) -> ConstraintFactory | None:
    """Makes the constraints of each text; None if there are none. A notice says if a text may fail to end in a match.

    Raises `ConfigError` for an invalid option, and `CorpusError` if the corpus can't be read.
    """
    vocabulary, form = model.vocabulary, model.text_form
    factories: list[ConstraintFactory] = []
    if match is not None:  # an invalid pattern is an error before the corpus is read
        from charrnn.sampling.match import Expression, Match

        expression = Expression(match, vocabulary)
        if why := expression.unplanned:
            notice(f"--match has {why}, which can't be planned ahead: a text may fail to match in the end")
        factories.append(lambda recent: [Match(expression)])
    if max_copy is not None:
        as_bytes = vocabulary.is_bytes
        source = Source((str(corpus),), as_bytes, form.encoding, "surrogateescape", normalization=form.normalization)
        found = read(source, notice=notice)
        _check_encoding(found, source, model)
        ngrams = CorpusNgrams(found, vocabulary, max_copy)
        factories.append(lambda recent: [MaxCopy(ngrams, recent)])
    if not factories:
        return None
    return lambda recent: [constraint for factory in factories for constraint in factory(recent)]


def _check_encoding(corpus: Corpus, source: Source, model: Model) -> None:
    """Raises `CorpusError` for a corpus that is in another encoding: what is copied from it would not be noticed."""
    known = {*model.vocabulary.characters}
    is_invalid = np.array(["\udc80" <= c <= "\udcff" and c not in known for c in corpus.vocabulary.characters])
    if corpus.vocabulary.is_bytes or not is_invalid.any():
        return
    blocks = np.array_split(corpus.ids, 1 + len(corpus.ids) // CHECK_BLOCK)
    if sum(int(is_invalid[block].sum()) for block in blocks) > MAX_INVALID * len(corpus.ids):
        parts = (part for _, part in files.read_parts(files.list_files(source.paths)))
        sample = next((part.lstrip(ASCII)[:SAMPLE_SIZE] for part in parts if not part.isascii()), b"")
        raise CorpusError(
            f"{corpus.name} is not {source.encoding}, so that --max-copy could not tell what is copied from it: "
            f"{encoding_advice(sample)}"
        )
