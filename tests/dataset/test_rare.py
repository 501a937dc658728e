"""Rare characters: similar ones stand for them, or they are left out, in the corpus and in the text to validate on."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.corpus import from_text
from charrnn.dataset.rare import replace_rare
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from support.sources import text_of


@pytest.mark.parametrize(
    ("text", "wanted", "rare"),
    [
        ("ab" * 9 + "é", "ab" * 9, (1, 1)),  # nothing is like it
        ("abe" * 9 + "éÉ", "abe" * 9 + "ee", (2, 2)),  # the letter without its accent
        ("abf fi" * 9 + "ﬁ", "abf fi" * 9 + "fi", (1, 1)),  # one becomes two
        ('a"- ' * 9 + "“—\u00a0z", 'a"- ' * 9 + '"- ', (4, 4)),
        ("qQ" + "q x\n" * 9 + "Qx", "qq" + "q x\n" * 9 + "qx", (1, 2)),
        ("ab" * 9 + "\n", "ab" * 9 + "\n", None),  # a newline is always kept
        ("щщкк" * 9 + "字", "щщкк" * 9, (1, 1)),
    ],
)
def test_a_rare_character_is_replaced_by_a_similar_one_or_left_out(
    text: str, wanted: str, rare: tuple[int, int] | None
) -> None:
    corpus = from_text(text)
    found = replace_rare(corpus, 3)
    assert text_of(found) == wanted
    assert found.vocabulary == Vocabulary.from_text(wanted)
    assert (found.digest, found.size) == (corpus.digest, corpus.size), "it is the same file"
    assert found.rare == rare or (found.rare is not None and (found.rare.distinct, found.rare.occurrences) == rare)
    if rare is not None:
        assert found.rare is not None
        assert found.rare.share == pytest.approx(rare[1] / len(text))


@given(st.text("aaabbbcdeéÉfﬁ\n“\"'x", min_size=2, max_size=200), st.integers(1, 30), st.text("aéﬁñx\n", max_size=50))
def test_it_is_the_text_in_which_str_translate_replaces_the_rare_characters(text: str, n: int, other: str) -> None:
    counts = Counter(text)
    kept = {c for c in counts if counts[c] >= n} | {c for c in "\n" if c in text + other}
    val_text = other + "a\n" * 100
    corpus = from_text(text, val_text=val_text)
    if not any(counts[c] >= n for c in counts):
        with pytest.raises(CorpusError, match=f"occurs {n} times"):
            replace_rare(corpus, n)
        return
    vocabulary = Vocabulary(sorted(kept | {"\n"}))
    table = {ord(c): vocabulary.nearest(c) for c in {*text, *val_text} - set(vocabulary.characters)}
    wanted = text.translate(table)
    if len(wanted) < 2 or len(val_text.translate(table)) < 100:
        with pytest.raises(CorpusError):
            replace_rare(corpus, n)
        return
    found = replace_rare(corpus, n)
    assert text_of(found) == wanted
    assert found.held_out is not None
    assert found.vocabulary.decode(found.held_out.ids) == val_text.translate(table)


def test_the_end_of_a_record_is_kept_however_few_there_are() -> None:
    corpus = from_text("ab" * 9 + "\n\n" + "ba" * 9 + "\né", record_form=RecordForm("blank"))
    found = replace_rare(corpus, 3)
    assert text_of(found) == "ab" * 9 + "\x1e" + "ba" * 9 + "\n\x1e"
    assert len(found.lines) == 2


def test_characters_that_are_left_out_are_unknown_later() -> None:
    vocabulary = replace_rare(from_text("abc" * 20 + "é"), 2).vocabulary
    with pytest.raises(VocabularyError, match="never seen 'é'"):
        vocabulary.encode("é")


def test_1_leaves_out_what_only_the_text_to_validate_on_has() -> None:
    found = replace_rare(from_text("abc" * 20 + "é", val_text="abcñ" * 40), 1)
    assert found.vocabulary.characters == ("a", "b", "c", "é")
    assert found.held_out is not None
    assert found.vocabulary.decode(found.held_out.ids) == "abc" * 40


def test_0_keeps_all_and_bytes_have_no_rare_characters() -> None:
    corpus = from_text("abc" * 20 + "é")
    assert replace_rare(corpus, 0) is corpus
    assert replace_rare(corpus, 1) is corpus
    with pytest.raises(ConfigError, match="leave out `as_bytes`"):
        replace_rare(from_text(b"abc" * 20), 2)
