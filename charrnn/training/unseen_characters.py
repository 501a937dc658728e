"""The unseen characters of a run: how probable are those that its corpus lacks, or that were left out of it."""

from collections.abc import Iterable
from itertools import chain

from charrnn.config import WRITERS
from charrnn.dataset.id_counts import CharacterCount, count
from charrnn.dataset.split import PartOfCorpus
from charrnn.dataset.unseen import UnseenEstimate
from charrnn.training.state import TrainingState


def unseen_estimate(
    state: TrainingState, parts: Iterable[PartOfCorpus], rare: CharacterCount | None
) -> UnseenEstimate | None:
    """The estimate from all parts of a corpus, of which `rare` characters were left out or replaced.

    None for bytes, none of which is unseen, and for a network whose texts are not scored.
    """
    if state.vocabulary.is_bytes or state.model_config.form not in WRITERS:
        return None
    blocks = chain.from_iterable(part.blocks() for part in parts)
    counts = count(blocks, len(state.vocabulary))
    left_out = (rare.occurrences if rare else 0) + (state.init_from.n_replaced if state.init_from else 0)
    return UnseenEstimate.from_counts(counts, state.training_config.min_count, left_out)
