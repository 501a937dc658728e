"""The marks that stand for each other: in texts, and in corpora, where they are replaced without a text being made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset import marks
from charrnn.dataset.corpus import from_text
from charrnn.dataset.rare import replace_rare
from charrnn.dataset.replacement import replace_unknown
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from support.sources import text_of

LETTERS = "abcdefghijklmnopqrstuvwxyz,;!"


def nearest(known: str, text: str) -> str:
    return Vocabulary(dict.fromkeys(LETTERS + known)).replace_unknown(text, "nearest")[0]


@pytest.mark.parametrize(
    ("known", "text", "found"),
    [
        # straight quotes become ones that open and close
        (" “”‘’", "\"a\" 'b' a'b", "“a” ‘b’ a’b"),
        (" “”‘’()", '("a") "\'a,\'" a"b', "(“a”) “‘a,’” a”b"),
        ("\n“”", '"a"\n"b"', "“a”\n“b”"),
        ("„“ ", '"a" "b"', "„a“ „b“"),
        ("„” ", '"a" "b"', "„a” „b”"),
        ("«» ", '"a" "b"', "«a» «b»"),
        ("‹› ", "'a' 'b'", "‹a› ‹b›"),
        ("‚‘ ", "'a' 'b'", "‚a‘ ‚b‘"),
        ("「」", '"a"b', "「a」b"),
        ("” ", '"a" b', "”a” b"),
        ("’ ", "'a' a'b", "’a’ a’b"),
        ("“", 'a"b', "a“b"),  # the only one that there is
        # the others become straight ones, or each other
        ("\"'", "“a” „b“ «c» ‟d” ‘e’ ‚f‘ ‹g› ＂h＂".replace(" ", ""), '"a""b""c""d"\'e\'\'f\'\'g\'"h"'),
        ("'", "“a” ″".replace(" ", ""), "'a''"),
        ("“” ", "«a» „b” ‟c”", "“a” “b” “c”"),
        ("«» ", "“a” „b“", "«a» «b»"),
        ("‘’ ", "‹a› ‚b’ `c´", "‘a’ ‘b’ ‘c’"),
        # primes and accents
        ("'\"", "a′b″c´d`eʼf", "a'b\"c'd'e'f"),
        ("′″", "a'b\"", "a′b″"),
        ("ʼ", "a'b’", "aʼbʼ"),
        # dashes: those of about the same length first
        ("-", "a‐b‑c‒d–e—f―g−h⸺i", "a-b-c-d-e-f-g-h-i"),
        ("—", "a-b‐c–d−e", "a—b—c—d—e"),
        ("-–", "a—b―c‐d−e‒f", "a–b–c-d-e–f"),
        ("‐—", "a-b–c", "a‐b—c"),
        # dots
        (".", "a…b⋯c‥d", "a...b...c..d"),
        ("…", "a...b....c.d......e", "a…b…cd……e"),
        ("…", "a⋯b‥", "a…b…"),
        (".…", "a⋯b", "a…b"),
        # spaces
        (" ", "a\u00a0b\u2003c\u3000d\te\nf\u2028g", "a b c d e f g"),
        ("\u3000", "a b\u00a0c", "a\u3000b\u3000c"),
        ("\u00a0", "a b\u2009c", "a\u00a0b\u00a0c"),
        ("\n\t", "a b", "ab"),  # these say where lines and the parts of pairs end
    ],
)
def test_marks_stand_for_each_other_in_both_directions(known: str, text: str, found: str) -> None:
    assert nearest(known, text) == found


def test_a_single_mark_is_replaced_by_what_it_is_itself() -> None:
    curly = Vocabulary("“”‘’")
    assert [curly.nearest(c) for c in "\"'«»„`´"] == ["“", "’", "“", "”", "“", "‘", "’"]
    assert [curly.nearest('"', before) for before in ("", "a ", "a", "(", 'a"', '"', "a(“")] == [*"““”“”““"]


@pytest.mark.parametrize("known", ["“”‘’ .", "„“‚‘\n", "\"'", "…«» ", "–“”’"])
@given(text=st.text("ab \n\"'“”‘’«…—-.(\u00a0", min_size=2, max_size=60))
def test_a_corpus_is_replaced_as_its_text_is(known: str, text: str) -> None:
    vocabulary = Vocabulary(dict.fromkeys("ab" + known))
    wanted, n = vocabulary.replace_unknown(text, "nearest")
    if len(wanted) < 2:
        if n:
            with pytest.raises(CorpusError):
                replace_unknown(from_text(text), vocabulary, "nearest")
        return
    found, n_found = replace_unknown(from_text(text), vocabulary, "nearest")
    assert (text_of(found), n_found) == (wanted, n)


def test_a_text_to_validate_on_is_replaced_too() -> None:
    text, val_text = 'a "b" ' * 20, 'b... "a" ' * 20
    corpus = from_text(text, val_text=val_text)
    vocabulary = Vocabulary("ab “”…")
    found, n = replace_unknown(corpus, vocabulary, "nearest")
    assert n == 40
    assert text_of(found) == "a “b” " * 20
    assert found.held_out is not None
    assert found.vocabulary.decode(found.held_out.ids) == "b… “a” " * 20


def test_rare_quotation_marks_become_the_frequent_ones() -> None:
    assert text_of(replace_rare(from_text("“a” “b” " * 9 + '"a" "b"'), 9)) == "“a” “b” " * 9 + "“a” “b”"
    assert text_of(replace_rare(from_text("a… b" * 9 + "..."), 9)) == "a… b" * 9 + "…"


@given(st.text("\"'“”‘’«»„‚a ", max_size=12), st.sampled_from(["“”‘’", "„“", "«»‹›", "\"'"]))
def test_quotation_marks_stay_quotation_marks(text: str, known: str) -> None:
    found = nearest(known + " ", text)
    assert len(found) == len(text)
    assert all((a in marks.QUOTES) == (b in marks.QUOTES) for a, b in zip(text, found, strict=True))
