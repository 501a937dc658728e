"""The record form: the texts between records as they are typed, and as they are saved."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.escapes import escape, unescape
from charrnn.dataset.record_form import KINDS, LINES, WITH_TEXT, RecordForm

FORMS = [RecordForm(kind, "a\t%" if kind in WITH_TEXT else "") for kind in KINDS]


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\nt\n\tu\0\x1e\u2028😀")))
def test_an_escaped_text_is_printable_and_means_the_same(text):
    escaped = escape(text)
    assert unescape(escaped, "--records-by") == text
    assert escaped.isprintable()


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("", RecordForm("blank")),
        (r"\n\n", RecordForm("blank")),
        (r"\n", LINES),
        ("%", RecordForm("text", "%")),
        (r"\n\n\n", RecordForm("text", "\n\n\n")),
    ],
)
def test_what_is_between_records_makes_their_form(typed, form):
    assert RecordForm.between(typed) == form
    assert form.is_lines or form.end == "\x1e"


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_saved_as_json(form):
    assert RecordForm.from_json(json.loads(json.dumps(form.to_json()))) == form


@pytest.mark.parametrize(
    "data",
    [None, [], "lines", {"kind": "words"}, {"kind": "text"}, {"kind": "lines", "text": "a"}, {"end": "a"}, {"kind": 1}],
)
def test_other_json_is_no_form(data):
    with pytest.raises(ValueError, match="not a form"):
        RecordForm.from_json(data)


@pytest.mark.parametrize(
    ("form", "separator"),
    [
        (LINES, ""),
        (RecordForm("blank"), "\n"),
        (RecordForm("documents"), "\n"),
        (RecordForm("csv", "text"), "\n"),
        (RecordForm("text", "%"), "%\n"),
        (RecordForm("text", "\n---\n"), "---\n"),
        (RecordForm("text", "\n\n\n"), "\n\n"),
    ],
)
def test_what_is_printed_between_records_is_what_their_form_reads(form, separator):
    assert form.separator == separator
