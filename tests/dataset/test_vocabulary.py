"""The vocabulary: any text becomes ids and comes back; unknown characters are named or replaced."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.vocabulary import Vocabulary, code_points, describe
from charrnn.errors import ConfigError, VocabularyError

CHARACTERS = st.characters(codec="utf-8") | st.characters(categories=["Cs"])  # all of Unicode, many lone surrogates
STRANGE = ["\0", "\ud800", "\udcff", "\udbff\udfff", "👩‍👩‍👧‍👦", "e\u0301", "\U0010ffff", "\ufeff", "\u2028", "ﷺ"]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_texts_come_back(text):
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.characters == tuple(sorted(set(text)))
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.text(CHARACTERS, min_size=1))
def test_every_text_comes_back(text):
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    assert vocabulary.characters == tuple(sorted(set(text)))
    assert ids.tolist() == [vocabulary.characters.index(c) for c in text]
    assert vocabulary.decode(ids) == text


@given(st.lists(CHARACTERS, min_size=1, unique=True), st.data())
def test_ids_follow_the_order_of_the_characters_given(characters, data):
    vocabulary = Vocabulary(characters)
    text = "".join(data.draw(st.lists(st.sampled_from(characters))))
    assert vocabulary.encode(text).tolist() == [characters.index(c) for c in text]
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert vocabulary.decode(range(len(vocabulary))) == "".join(characters)


@given(st.text(CHARACTERS))
def test_code_points_are_those_of_ord(text):
    assert code_points(text).tolist() == [ord(c) for c in text]


@pytest.mark.parametrize(
    ("V", "dtype"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)],
)
def test_ids_have_the_smallest_type_that_holds_them(V, dtype):
    text = "".join(map(chr, range(V)))
    vocabulary = Vocabulary(text)
    ids = vocabulary.encode(text)
    assert vocabulary.dtype == ids.dtype == dtype
    np.testing.assert_array_equal(ids, np.arange(V))


def test_a_text_of_more_than_a_million_characters():
    text = "aé" * (1 << 19) + "z\ud800é"
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.characters == ("a", "z", "é", "\ud800")
    np.testing.assert_array_equal(vocabulary.encode(text), [0, 2] * (1 << 19) + [1, 3, 2])
    with pytest.raises(VocabularyError, match=r"U\+0071 LATIN SMALL LETTER Q"):
        vocabulary.encode(text + "q")


# Unknown characters


@pytest.mark.parametrize(
    ("character", "described"),
    [
        ("ж", "'ж' (U+0436 CYRILLIC SMALL LETTER ZHE)"),
        ("😀", "'😀' (U+1F600 GRINNING FACE)"),
        ("\n", "U+000A"),
        ("\0", "U+0000"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u200d", "U+200D ZERO WIDTH JOINER"),
        ("\ud800", "U+D800"),
        ("\udce9", "the byte E9 (not UTF-8)"),
        ("\U0010ffff", "U+10FFFF"),
    ],
)
def test_characters_are_described_with_their_code_points(character, described):
    assert describe(character) == described


@pytest.mark.parametrize("unknown", ["a", "\0", "ж", "\ud800", "\U0010ffff"])
def test_unknown_characters_are_named(unknown):
    with pytest.raises(VocabularyError) as caught:
        Vocabulary("bcdж"[:3]).encode(f"bc{unknown}d")
    assert describe(unknown) in str(caught.value)


@pytest.mark.parametrize(("unknown", "more"), [("cba", ""), ("dcba", " and 1 more"), ("gfedcba", " and 4 more")])
def test_of_many_unknown_characters_the_first_three_are_named(unknown, more):
    letters = ", ".join(f"'{c.lower()}' (U+006{n} LATIN SMALL LETTER {c})" for n, c in enumerate("ABC", 1))
    with pytest.raises(VocabularyError) as caught:
        Vocabulary("x").encode(f"x{unknown}x{unknown}")
    message = f"the model has never seen {letters}{more}: train on a text that has them, or leave them out"
    assert str(caught.value) == message


@given(st.sets(CHARACTERS, min_size=1), st.text(CHARACTERS, min_size=1))
def test_a_text_is_refused_if_and_only_if_it_has_unknown_characters(known, text):
    vocabulary = Vocabulary(sorted(known))
    if unknown := sorted(set(text) - known):
        with pytest.raises(VocabularyError) as caught:
            vocabulary.encode(text)
        assert all(describe(c) in str(caught.value) for c in unknown[:3])
        assert str(caught.value).isprintable()
    else:
        assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.sets(CHARACTERS, min_size=1), st.text(CHARACTERS, min_size=1))
def test_the_known_characters_of_a_text_can_be_selected(known, text):
    vocabulary = Vocabulary(sorted(known))
    ids, mask = vocabulary.select(text)
    assert mask.tolist() == [c in known for c in text]
    assert ids.dtype == vocabulary.dtype
    np.testing.assert_array_equal(ids, vocabulary.encode("".join(c for c in text if c in known)))


def test_bytes_are_selected_as_they_are_decoded():
    ids, mask = Vocabulary("aй").select("йz".encode() + b"\xffa")
    assert (ids.tolist(), mask.tolist()) == ([1, 0], [True, False, False, True])
    ids, mask = Vocabulary(None).select(b"a\xff")
    assert (ids.tolist(), mask.tolist()) == ([97, 255], [True, True])


@pytest.mark.parametrize(
    ("known", "text", "found"),
    [
        ("éa", "e\u0301a", "éa"),
        ("e\u0301a", "éa", "e\u0301a"),
        ("각 ", "\u1100\u1161\u11a8 ", "각 "),
        ("\u1100\u1161\u11a8", "각", "\u1100\u1161\u11a8"),
        ("ế", "e\u0302\u0301", "ế"),
        ("Åe", "\u212be", "Åe"),  # the sign of the angstrom
        ("üe\u0301", "u\u0308é", "üe\u0301"),  # each letter in the form that is known
        ("ea", "e\u0301á", "ea"),  # none is
    ],
)
def test_the_nearest_is_the_same_letter_in_the_other_normal_form(known, text, found):
    n_unknown = sum(c not in known for c in text)
    assert Vocabulary(known).replace_unknown(text, "nearest") == (found, n_unknown)


def test_an_unknown_byte_says_what_the_text_may_be():
    text = "Мой дядя самых честных правил".encode("cp1251").decode("utf-8", "surrogateescape")
    with pytest.raises(
        VocabularyError, match=r'the byte E0 .*: it looks like cp1251, so give `encoding="cp1251"`, train on'
    ):
        Vocabulary("a b").encode(text)
    with pytest.raises(VocabularyError, match=r"the byte FF .*, train on"):
        Vocabulary("a b").encode("ab\udcff\ud800\udfff")


@pytest.mark.parametrize(
    ("text", "skipped", "nearest"),
    [
        ("abc", "abc", "abc"),
        ("ABÇ", "", "abc"),  # the other case, and without its cedilla too
        ("ñaé", "a", "ae"),  # é without its accent; nothing is like ñ
        ("²", "", ""),
        ("a—b", "ab", "a-b"),
        ("‘a’", "a", "'a'"),
        ("“a”", "a", "'a'"),
        ("a\u00a0\tb", "ab", "a  b"),
        ("ﬀ", "", "ff"),  # a ligature becomes its letters
        ("жa☃", "a", "a"),
    ],
)
def test_unknown_characters_can_be_left_out_or_replaced_by_the_nearest(text, skipped, nearest):
    vocabulary = Vocabulary("abcef -'")
    unknown = sum(c not in vocabulary.characters for c in text)
    assert vocabulary.replace_unknown(text, "error") == (text, 0)
    assert vocabulary.replace_unknown(text, "skip") == (skipped, unknown)
    assert vocabulary.replace_unknown(text, "nearest") == (nearest, unknown)
    assert Vocabulary(None).replace_unknown(text, "skip") == (text, 0)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ConfigError, match="unknown can't be 'guess': choose one of error, skip, nearest"):
        Vocabulary("abc").replace_unknown("abc", "guess")


@pytest.mark.parametrize("characters", ["", [], ["ab"], ["a", ""], ["a", 1], ["a", None], ["a", b"b"]])
def test_a_vocabulary_has_only_single_characters(characters):
    with pytest.raises(VocabularyError, match="a list of single characters"):
        Vocabulary(characters)


def test_a_vocabulary_has_no_character_twice():
    with pytest.raises(VocabularyError, match="has a character twice"):
        Vocabulary("abca")


# Bytes


@given(st.binary())
def test_bytes_are_their_own_ids(raw):
    vocabulary = Vocabulary(None)
    ids = vocabulary.encode(raw)
    assert (len(vocabulary), vocabulary.dtype, ids.dtype) == (256, np.uint8, np.uint8)
    assert bytes(ids) == raw
    assert vocabulary.decode(ids) == raw.decode("utf-8", "surrogateescape")
    assert bytes(vocabulary.encode(vocabulary.decode(ids))) == raw


@given(st.text())
def test_a_vocabulary_of_bytes_encodes_a_text_as_utf8(text):
    vocabulary = Vocabulary(None)
    assert bytes(vocabulary.encode(text)) == text.encode()
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize("point", [0xD800, 0xDBFF, 0xDC00, 0xDC7F, 0xDD00, 0xDFFF])
def test_a_lone_surrogate_that_is_not_a_byte_has_no_utf8(point):
    with pytest.raises(VocabularyError, match=rf"^U\+{point:04X} can't be encoded as UTF-8: leave it out"):
        Vocabulary(None).encode(f"a\udc80é{chr(point)}b")
    assert Vocabulary(None).encode("\udc80\udcff").tolist() == [0x80, 0xFF]


def test_ids_are_decoded_from_any_iterable_of_integers():
    vocabulary = Vocabulary.from_text("ab\udcff\U0001f600")
    text = "b\udcff\U0001f600a"
    ids = vocabulary.encode(text)
    for same in (ids, ids.tolist(), iter(ids), tuple(ids)):
        assert vocabulary.decode(same) == text
    for empty in ([], (), ids[:0], np.array([])):
        assert vocabulary.decode(empty) == ""
    for wrong in ([0.0], np.array([0.0])):
        with pytest.raises(TypeError):
            vocabulary.decode(wrong)
    with pytest.raises(IndexError):
        vocabulary.decode([4])


def test_bytes_are_decoded_for_a_vocabulary_of_characters():
    vocabulary = Vocabulary("aй\udcff")
    assert vocabulary.encode("йa".encode() + b"\xff").tolist() == [1, 0, 2]


# Where a text begins, and equality


@pytest.mark.parametrize(("characters", "start"), [("a \nb", 2), ("ab c", 2), ("abc", 0), ("\n", 0)])
def test_a_text_begins_after_a_newline_else_a_space(characters, start):
    assert Vocabulary(characters).start == start


def test_of_bytes_a_text_begins_after_a_newline():
    assert Vocabulary(None).start == 10


def test_vocabularies_are_equal_by_their_characters():
    assert Vocabulary("abc") == Vocabulary(["a", "b", "c"])
    assert hash(Vocabulary("abc")) == hash(Vocabulary.from_text("cabcab"))
    assert Vocabulary("abc") != Vocabulary("acb")
    assert Vocabulary("abc") != "abc"
    assert Vocabulary(None) == Vocabulary(None)
    assert Vocabulary(None) != Vocabulary(map(chr, range(256)))
