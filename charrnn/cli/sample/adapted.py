"""The adapted model of `charrnn sample`: what it learns from the prime, and what it goes on with."""

from collections.abc import Callable
from functools import partial

from charrnn.cli.terminal.adaptation import begin, learned, learning_bar
from charrnn.cli.terminal.console import notifier
from charrnn.errors import CorpusError
from charrnn.model.model import Model
from charrnn.scoring.learner import AdaptationConfig
from charrnn.scoring.lines import LEARNED_AT_ONCE
from charrnn.scoring.score import Text
from charrnn.scoring.text import as_pieces, records_of_pieces, score, score_texts


def adapted(
    model: Model,
    how: AdaptationConfig,
    page: str,
    clean: Callable[[str], str],
    precision: str,
    quiet: bool,
) -> tuple[Model, str]:
    """The model after it has learned from a page, with weights in a precision; and the text to continue.

    `clean` leaves out or replaces characters that the model does not know. A model of lines or records learns from
    those of the page, and begins new ones. Raises `ConfigError` for a model that can't learn, and what
    `Adaptation.check_learned` raises.
    """
    adaptation, notice, unit = begin(model, how, quiet), notifier(quiet), model.vocabulary.unit
    pieces: list[Text]
    if model.reads_records:
        # What surrounds records in the page, such as separators and other columns, the model need not know
        prime, end, reads = "", model.record_form.end, partial(score_texts, model)
        pieces = [*records_of_pieces(model, as_pieces(model, page, "sample"))]
        if not model.vocabulary.is_bytes:
            pieces = [record + end for record in clean("".join(map(model.as_text, pieces))).split(end)[:-1]]
    else:
        prime, reads = clean(page), partial(score, model)
        if page and not prime:
            raise CorpusError(f"there is no text to learn from: the model knows none of the prime's {unit}s")
        pieces = [prime[k : k + LEARNED_AT_ONCE] for k in range(0, len(prime), LEARNED_AT_ONCE)]
    size = sum(map(len, pieces))
    with learning_bar(pieces, size, len, adaptation, quiet or size <= LEARNED_AT_ONCE) as watched:
        read = reads(watched, adaptation=adaptation)
    adaptation.check_learned()
    notice(learned(read, unit))
    model = adaptation.model.with_precision(precision)
    if precision != "float32":
        notice(f"weights in {precision}")
    return model, "" if model.reads_lines else prime
