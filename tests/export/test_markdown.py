"""Markdown and YAML: whatever a text is, their readers find that text and no markup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from charrnn.dataset.control_characters import one_line, visible
from charrnn.export.markdown import code, escaped, fenced, quoted, table

MARKUP = st.text(st.sampled_from("\\`*_{}[]<>()#~&|!$@=+-.:'\"ab \n\t\ud800\u202eé😀") | st.characters(), max_size=30)


def inline(markdown: str) -> list[tuple[str, str]]:
    """The parts of the only line of a document: the type and the text of each."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    (line,) = [token for token in tokens if token.type == "inline"]
    return [(part.type, part.content) for part in line.children or ()]


@given(MARKUP)
def test_an_escaped_text_is_that_text_in_a_heading_and_in_a_table(text: str) -> None:
    wanted = one_line(text).strip()
    if not wanted:
        return
    for markdown in (f"# {escaped(text)}", table([(escaped(text),)])):
        parts = inline(markdown)
        assert {kind for kind, _ in parts} == {"text"}
        assert "".join(content for _, content in parts).strip() == wanted


@given(MARKUP)
def test_code_in_a_line_is_that_text(text: str) -> None:
    if not text:
        return
    ((before, content), (kind, found)) = inline(f"x{code(text)}")[:2]
    assert (before, content, kind, found) == ("text", "x", "code_inline", one_line(text))


@given(MARKUP)
def test_a_block_is_that_text(text: str) -> None:
    before, block, after = MarkdownIt().parse(f"{fenced('')}\n\n{fenced(text, 'python')}\n\n{fenced('')}")
    assert (block.type, block.info, before.content, after.content) == ("fence", "python", "\n", "\n")
    assert block.content == visible(text).removesuffix("\n") + "\n"


@given(MARKUP)
def test_a_quoted_text_is_that_text_to_yaml(text: str) -> None:
    yaml = pytest.importorskip("yaml")
    wanted = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert yaml.safe_load(f"a: {quoted(text)}\nb: 1") == {"a": wanted, "b": 1}


def test_a_table_has_a_title_and_aligned_numbers() -> None:
    assert table([("a", "b"), ("1", "2")], numbers=True) == "| a | b |\n| ---: | ---: |\n| 1 | 2 |"
