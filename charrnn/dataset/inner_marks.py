"""The inner marks: byte order marks within a text, where files that began with one were joined."""

from charrnn.dataset.corpus import Corpus
from charrnn.dataset.id_counts import blocks_of, count
from charrnn.errors import counted

MARK = "\ufeff"


def inner_marks(corpus: Corpus) -> str:
    """What to say about the marks that a text has within it, which a model would learn; empty if there are none."""
    alphabet = corpus.alphabet
    if alphabet.is_bytes or MARK not in alphabet.characters:
        return ""
    n = int(count(blocks_of(corpus.all_ids), len(alphabet))[alphabet.characters.index(MARK)])
    return (
        f"the text has {counted(n, 'byte order marks')} within it, which the model learns as a character: give the "
        "files that were joined one by one, or take them out with `sed 's/\\xEF\\xBB\\xBF//g'`"
    )
