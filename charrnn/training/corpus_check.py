"""The corpus check: what is worth knowing about a corpus before training on it.

A rank of a distributed run that has only a part of the text does not know what takes the whole: it finds nothing.
"""

from itertools import chain

import numpy as np

from charrnn.dataset import tail
from charrnn.dataset.id_counts import CharacterCount, count, count_only_in
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.split import ValidationStream
from charrnn.dataset.streams import Streams
from charrnn.dataset.whole_texts import LabelBatches, TagBatches
from charrnn.training.budget import MAX_MIN_COUNT, MAX_RARE_SHARE, MIN_VOCABULARY
from charrnn.training.trainer import Trainer

OUTPUTS = (LabelBatches, TagBatches)
"""The data of networks whose outputs are labels or tags."""
OWN_LABELS = 0.8
"""The share of texts with a label of their own from which on these are hardly labels."""
MIN_CHARACTERS, MIN_TEXTS = 500, 20
"""From fewer characters, or fewer lines, pairs or texts, a network learns nothing that holds for any other text.

After 500 characters of Shakespeare a network needed 2.95 nats for others, after 20 given names 2.86. Counting pairs of
characters does as well for the former (2.98), counting characters for the latter (2.81).
"""


def is_too_small(trainer: Trainer) -> bool:
    """Whether there is far too little to learn from, for a network that does not start from another one's weights."""
    data = trainer.training_data
    if trainer.state.init_from is not None:
        return False
    return data.n_lines < MIN_TEXTS if data.n_lines else data.size < MIN_CHARACTERS


def rare_characters(trainer: Trainer) -> tuple[int, CharacterCount] | None:
    """The lowest `min_count`, and the characters that occur less often, if these are most of a large vocabulary.

    None if they are not, if they are no negligible share of the text, or if the layout has no `min_count`.
    """
    state = trainer.state
    if not trainer.has_whole_text:
        return None
    V, layout = len(state.vocabulary), state.training_config.layout
    if layout not in ("stream", "lines") or state.vocabulary.is_bytes or V < MIN_VOCABULARY:
        return None
    counts = count(chain(trainer.training_data.blocks(), trainer.validation_data.blocks()), V)
    for min_count in range(2, MAX_MIN_COUNT + 1):
        found = CharacterCount.from_counts(counts[counts < min_count], int(counts.sum()))
        if 2 * found.distinct > V:
            return (min_count, found) if found.share <= MAX_RARE_SHARE else None
    return None


def only_held_out(trainer: Trainer) -> CharacterCount:
    """The characters that only the validation data has; their share is that of the validation data."""
    V, data = len(trainer.state.vocabulary), trainer.validation_data
    if not trainer.has_whole_text:
        return CharacterCount(0, 0, 0.0)
    counts = count_only_in(data.blocks(), trainer.training_data.blocks(), V)
    return CharacterCount.from_counts(counts, data.chars_read)


def labels_only_held_out(trainer: Trainer) -> list[str]:
    """The labels or tags that only the validation data has."""
    labels, data, validation = trainer.labels, trainer.training_data, trainer.validation_data
    if labels is None or not isinstance(data, OUTPUTS) or not isinstance(validation, OUTPUTS):
        return []
    learned, held_out = (part.label_counts(len(labels)) for part in (data, validation))
    return [labels.names[n] for n in np.flatnonzero((learned == 0) & (held_out > 0))]


def learned_lines(trainer: Trainer) -> int:
    """The lines, or other texts of their own, of a text to validate on that the corpus has too; 0 for other data.

    Pairs are the same if their sources are, or their targets if more of these are different.
    """
    data, validation = trainer.training_data, trainer.validation_data
    if (
        not isinstance(data, LineBatches)
        or not isinstance(validation, LineBatches)
        or not trainer.state.corpus.val_digest
    ):
        return 0
    return int(np.isin(validation.lines.digests, data.lines.digests).sum())


def have_own_labels(trainer: Trainer) -> bool:
    """Whether nearly every text of a classifier has a label that no other text has."""
    labels = trainer.labels
    if labels is None or trainer.state.training_config.layout != "labels":
        return False
    return labels.counts.count(1) >= OWN_LABELS * sum(labels.counts)


def with_several_labels(trainer: Trainer) -> int:
    """The different texts of a classifier that occur under more than one label."""
    data = [part for part in (trainer.training_data, trainer.validation_data) if isinstance(part, LabelBatches)]
    columns = [(part.lines.digests, part.lines.labels) for part in data if part.lines.labels is not None]
    if not columns:
        return 0
    found = np.concatenate([np.stack(both, 1) for both in columns])
    _, counts = np.unique(np.unique(found, axis=0)[:, 0], return_counts=True)
    return int(np.count_nonzero(counts > 1))


def tail_differs(trainer: Trainer) -> bool:
    """Whether the end of the text is held out, and is of another kind than the rest: see `tail.differs`."""
    data, validation = trainer.training_data, trainer.validation_data
    if not trainer.has_whole_text or trainer.state.corpus.val_digest:
        return False
    if not isinstance(data, Streams) or not isinstance(validation, ValidationStream):
        return False
    return tail.differs(data.ids, validation.ids, len(trainer.state.vocabulary))
