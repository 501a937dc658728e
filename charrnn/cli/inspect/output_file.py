"""The output file: the page or the picture that `charrnn inspect` writes."""

from pathlib import Path

from charrnn.checkpoint.atomic_file import write_bytes
from charrnn.cli.inspect.request import InspectRequest
from charrnn.cli.inspect.results import Results
from charrnn.cli.inspect.target import Target
from charrnn.dataset.control_characters import one_line
from charrnn.inspection.views import views_for


def write_picture(path: Path, request: InspectRequest, results: Results) -> int:
    """Draws the requested view, which is a single one; returns the size of the file."""
    from charrnn.inspection.picture import picture

    (view,) = request.views
    content = picture(
        view.figure([(one_line(target.name), data[view.name]) for target, data in results]), path.suffix.lower()
    )
    write_bytes(path, content)
    return len(content)


def write_page(path: Path, request: InspectRequest, targets: list[Target]) -> int:
    """Writes the page of all views, on the text that was given, if any; returns the size of the file."""
    from charrnn.inspection.report.page import ReportEntry, render

    given = next((text for text in request.texts.values() if text is not None), None)
    forms = {target.model.config.form for target in targets}
    shows_text = not request.no_text or "language_model" in forms
    reads_validation = (given is None and shows_text) or any(
        view.reads_validation for form in forms for view in views_for(form)
    )
    entries = [
        ReportEntry(
            one_line(target.name),
            target.checkpoint,
            target.validation_text if reads_validation else "",
            None if given is None else target.text(given),
        )
        for target in targets
    ]
    content = render(entries, request.options.features, request.no_text).encode("utf-8", "replace")
    write_bytes(path, content)
    return len(content)
