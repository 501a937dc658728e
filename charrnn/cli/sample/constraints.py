"""The constraints that `charrnn sample` puts on its texts: --match and --max-copy."""

from collections.abc import Sequence
from pathlib import Path

from charrnn.model.model import Model
from charrnn.sampling.constraints import ConstraintFactory, CorpusNgrams, Match, MaxCopy


def constraint_factory(
    model: Model, match: str | None, max_copy: int | None, corpus: Path | None, stops: Sequence[str]
) -> ConstraintFactory | None:
    """Makes the constraints of each text; None if there are none.

    Raises `ConfigError` for an invalid option, and `CorpusError` if the corpus can't be read.
    """
    vocabulary, form = model.vocabulary, model.text_form
    stop_characters = [stop for stop in stops if len(stop) == 1]
    if match is not None:
        Match(match, vocabulary)  # an invalid pattern is an error before the corpus is read
    ngrams = None
    if max_copy is not None:
        from charrnn.dataset.corpus import read
        from charrnn.dataset.files import Source

        as_bytes = vocabulary.is_bytes
        source = Source((str(corpus),), as_bytes, form.encoding, "surrogateescape", normalization=form.normalization)
        ngrams = CorpusNgrams(read(source), vocabulary, max_copy)
    if match is None and ngrams is None:
        return None
    return lambda recent: [
        *([Match(match, vocabulary, stop_characters)] if match is not None else []),
        *([MaxCopy(ngrams, recent)] if ngrams is not None else []),
    ]
