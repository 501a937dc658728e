"""The corpus: ids in the order of the code points, from files and from texts, in any vocabulary."""

import codecs
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.dataset.corpus import MIN_VALIDATION, from_text, read
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError, VocabularyError
from support.sources import read_in_blocks, source_of, text_of


@pytest.mark.parametrize("V", [2, 256, 257, 65536, 66000])
def test_ids_are_in_the_order_of_the_code_points_however_many_there_are(tmp_path, V):
    characters = [chr(n) for n in range(0x100, 0x100 + V + 0x800) if not 0xD800 <= n < 0xE000][:V]
    text = "".join(np.random.default_rng(V).permutation(characters)) + characters[0]
    found = read_in_blocks(source_of(tmp_path, text.encode()), 1000)
    assert found.vocabulary == Vocabulary(characters)
    assert found.ids.dtype == found.vocabulary.dtype
    np.testing.assert_array_equal(found.ids, found.vocabulary.encode(text))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_file_needs_two_characters(tmp_path, as_bytes):
    with pytest.raises(CorpusError, match=r"0\.txt is empty: a corpus needs at least two characters"):
        read(source_of(tmp_path, b"", as_bytes=as_bytes))
    with pytest.raises(CorpusError, match=r"0\.txt has only one character"):
        read(source_of(tmp_path, b"a", as_bytes=as_bytes))
    assert len(read(source_of(tmp_path, b"aa", as_bytes=as_bytes)).ids) == 2


@pytest.mark.parametrize("raw", ["ж".encode(), b"\r\n", codecs.BOM_UTF8 + b"a"])
def test_characters_are_counted_not_bytes(tmp_path, raw):
    with pytest.raises(CorpusError, match="only one character"):
        read(source_of(tmp_path, raw))


# From texts


@given(st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"]), min_size=2))
def test_a_text_becomes_a_corpus(text):
    found, raw = from_text(text, "mine"), text.encode("utf-8", "surrogatepass")
    assert text_of(found) == text
    assert found.vocabulary == Vocabulary.from_text(text)
    assert (found.name, found.size, found.digest) == ("mine", len(raw), hashlib.sha256(raw).hexdigest())


def test_a_text_and_its_file_are_the_same_corpus(tmp_path):
    source = source_of(tmp_path, "жук\n".encode())
    assert from_text("жук\n").digest == read(source).digest
    assert from_text("жук\n".encode()).digest == read(source).digest


@pytest.mark.parametrize("text", ["", "a", b"", b"a"])
def test_a_text_needs_two_characters(text):
    with pytest.raises(CorpusError, match="a corpus needs at least two characters"):
        from_text(text)


# In another vocabulary


@given(st.text(min_size=2), st.sets(st.characters(codec="utf-8")))
def test_a_corpus_in_another_vocabulary_is_the_same_text(text, more):
    found = from_text(text)
    wider = Vocabulary(sorted(set(text) | more, reverse=True))
    again = found.reencode(wider)
    assert again.vocabulary == wider
    assert text_of(again) == text
    assert again.ids.dtype == wider.dtype
    assert (again.name, again.size, again.digest) == (found.name, found.size, found.digest)


def test_a_vocabulary_that_lacks_a_character_is_refused():
    with pytest.raises(VocabularyError, match=r"U\+0063"):
        from_text("abc").reencode(Vocabulary("abd"))
    with pytest.raises(
        VocabularyError, match="the model reads bytes, but the corpus was read as characters: add `as_bytes`"
    ):
        from_text("abc").reencode(Vocabulary(None))
    with pytest.raises(VocabularyError, match="but the corpus was read as bytes: leave out `as_bytes`"):
        from_text(b"abc").reencode(Vocabulary("abc"))


# The held-out text


@given(st.integers(2, 3000), st.floats(0, 0.9))
def test_the_end_is_held_out_unless_it_is_too_short(N, fraction):
    found = from_text(bytes(n % 251 for n in range(N)))
    training, validation = found.split(fraction)
    wanted = int(N * fraction)
    assert len(validation) == (wanted if wanted >= MIN_VALIDATION else 0)
    np.testing.assert_array_equal(np.concatenate((training, validation)), found.ids)


@pytest.mark.parametrize(("N", "held_out"), [(1000, 100), (999, 0), (1009, 100), (1010, 101), (2, 0)])
def test_a_tenth_of_a_text_is_held_out_from_a_thousand_characters_on(N, held_out):
    assert len(from_text(b"x" * N).split(0.1)[1]) == held_out
