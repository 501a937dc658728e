"""The constraints that `charrnn sample` puts on its texts: --match and --max-copy."""

from collections.abc import Callable
from pathlib import Path

from charrnn.dataset.vocabulary import Vocabulary
from charrnn.sampling.constraints import ConstraintFactory, CorpusNgrams, MaxCopy
from charrnn.sampling.match import Expression, Match


def constraint_factory(
    vocabulary: Vocabulary, match: str | None, max_copy: int | None, corpus: Path | None, notice: Callable[[str], None]
) -> ConstraintFactory | None:
    """Makes the constraints of each text; None if there are none. A notice says if a text may fail to end in a match.

    Raises `ConfigError` for an invalid option, and `CorpusError` if the corpus can't be read.
    """
    # An invalid pattern is an error before the corpus is read
    expression = None if match is None else Expression(match, vocabulary)
    if expression and expression.unplanned:
        notice(f"--match has {expression.unplanned}, which can't be planned ahead: a text may fail to match in the end")
    ngrams = None
    if max_copy is not None:
        from charrnn.dataset.corpus import read
        from charrnn.dataset.files import Source

        source = Source((str(corpus),), as_bytes=vocabulary.is_bytes, errors="surrogateescape")
        ngrams = CorpusNgrams(read(source), vocabulary, max_copy)
    if expression is None and ngrams is None:
        return None
    return lambda recent: [
        *([Match(expression)] if expression is not None else []),
        *([MaxCopy(ngrams, recent)] if ngrams is not None else []),
    ]
