"""The unseen characters of a run: how probable are those that its corpus lacks, or that were left out of it."""

from collections.abc import Iterable
from itertools import chain

from charrnn.config import WRITERS
from charrnn.dataset.corpus import Corpus
from charrnn.dataset.id_counts import count
from charrnn.dataset.shared_file import SharedCorpus
from charrnn.dataset.split import PartOfCorpus
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.training.state import TrainingState


def unseen_estimate(state: TrainingState, corpus: Corpus, parts: Iterable[PartOfCorpus]) -> UnseenEstimate | None:
    """The estimate from a corpus, or from all parts of it that are learned or validated on.

    None for bytes, none of which is unseen, and for a network whose texts are not scored.
    """
    if state.vocabulary.is_bytes or state.model_config.form not in WRITERS:
        return None
    if isinstance(corpus, SharedCorpus):
        counts = corpus.index.counts
    else:
        counts = count(chain.from_iterable(part.blocks() for part in parts), len(state.vocabulary))
    left_out = (corpus.rare.occurrences if corpus.rare else 0) + (state.init_from.n_replaced if state.init_from else 0)
    return UnseenEstimate.from_counts(counts, state.training_config.min_count, left_out)
