"""The adapted model of `charrnn sample`: what it learns from the prime, and what it goes on with."""

from collections.abc import Callable

from charrnn.cli.terminal.adaptation import learned
from charrnn.model.model import Model
from charrnn.scoring.adaptation import Adaptation
from charrnn.scoring.learner import AdaptationConfig
from charrnn.scoring.text import as_pieces, records_of_pieces, score, score_texts


def adapted(
    model: Model,
    config: AdaptationConfig,
    page: str,
    clean: Callable[[str], str],
    precision: str,
    notice: Callable[[str], None],
) -> tuple[Model, str]:
    """The model after it has learned from a page, with weights in a precision; and the text to continue.

    `clean` leaves out or replaces characters that the model does not know. A model of lines or records learns from
    those of the page, and begins new ones. Raises `ConfigError` for a model that can't learn, and what
    `Adaptation.check_learned` raises.
    """
    adaptation = Adaptation(model, config)
    if model.reads_records:
        # What surrounds records in the page, such as separators and other columns, the model need not know
        prime, end = "", model.record_form.end
        records = [*records_of_pieces(model, as_pieces(model, page, "sample"))]
        if not model.vocabulary.is_bytes:
            records = [record + end for record in clean("".join(map(model.as_text, records))).split(end)[:-1]]
        read = score_texts(model, records, adaptation=adaptation)
    else:
        prime = clean(page)
        read = score(model, prime, adaptation=adaptation)
    adaptation.check_learned()
    notice(learned(read, adaptation, "bytes" if model.vocabulary.is_bytes else "characters"))
    model = adaptation.model.with_precision(precision)
    if precision != "float32":
        notice(f"weights in {precision}")
    return model, "" if model.reads_lines else prime
