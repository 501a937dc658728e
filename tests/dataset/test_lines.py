"""The records: lines found wherever blocks end, parted honestly, and read in batches that lose and add nothing."""

from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config import TrainingConfig
from charrnn.dataset import corpus, files
from charrnn.dataset import line_set as known
from charrnn.dataset import lines as records
from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import Source
from charrnn.dataset.line_set import LineSet, line_digests
from charrnn.dataset.lines import LineBatches, Lines, even_batch_size
from charrnn.dataset.split import split_corpus
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError

NAMES = Path(files.bundled_corpus()).with_name("names.txt").read_text(encoding="utf-8")
TEXTS = st.text(st.sampled_from("ab\né😀\udcff"), max_size=60)
LINES = st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=12), min_size=1, max_size=40)


def lines_of(found):
    """The texts of some records."""
    return [found.ids[start : start + n].tolist() for start, n in zip(found.starts, found.lengths, strict=True)]


def records_of(lines):
    """The records of some lines of ASCII."""
    text = "".join(line + "\n" for line in lines)
    return Lines.from_ids(np.frombuffer(text.encode(), np.uint8), Vocabulary(None))


def text_of(found, vocabulary=None):
    return [(vocabulary or Vocabulary(None)).decode(line) for line in lines_of(found)]


# Lines


@given(TEXTS, st.sampled_from([1, 2, 3, 5, 1 << 20]), st.booleans())
@example("a\n\n\nb", 2, False)
@example("\n", 1, True)
@example("", 1, False)
def test_the_lines_of_a_text_are_found_wherever_the_blocks_end(text, block, as_bytes):
    vocabulary = Vocabulary(None) if as_bytes else Vocabulary(sorted({*text, "\n"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK", block)
        found = Lines.from_ids(vocabulary.encode(text), vocabulary)
    wanted = [line for line in text.split("\n") if line]
    assert text_of(found, vocabulary) == wanted
    assert found.digests.tolist() == line_digests(wanted).tolist()
    assert len(found) == len(wanted)
    assert found.size == sum(len(vocabulary.encode(line)) + 1 for line in wanted)
    assert found.longest == max((len(vocabulary.encode(line)) for line in wanted), default=0)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_the_end_of_the_last_line_makes_no_difference(end):
    assert text_of(records_of(["ab", "c"])) == text_of(
        Lines.from_ids(np.frombuffer(b"ab\nc" + end.encode(), np.uint8), Vocabulary(None))
    )


@given(st.lists(st.text("abé ", min_size=1, max_size=9), min_size=2, max_size=20), st.booleans())
def test_the_text_of_records_is_their_lines_one_after_the_other(lines, ends):
    text = from_text("\n\n".join(lines) + "\n" * ends)
    whole = "".join(f"{line}\n" for line in lines)
    assert text.vocabulary.decode(text.records.text(10**6)) == whole
    for most in range(len(whole)):
        part = text.vocabulary.decode(text.records.text(most))
        assert len(part) <= most
        assert whole.endswith("\n" + part) or not part
        assert len(part) + len(lines[len(lines) - part.count("\n") - 1]) + 1 > most


def test_a_text_without_line_ends_is_one_line():
    vocabulary = Vocabulary(" ab")  # whose start is the space
    assert text_of(Lines.from_ids(vocabulary.encode("a b a"), vocabulary), vocabulary) == ["a b a"]


def test_line_ends_of_every_kind_end_lines_of_text_but_bytes_stay_as_they_are(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffщука\r\nрак\r\n\r\nлебедь".encode())
    found = corpus.read(Source((str(path),)))
    assert text_of(found.records, found.vocabulary) == ["щука", "рак", "лебедь"]
    found = corpus.read(Source((str(path),), as_bytes=True))
    assert text_of(found.records) == ["\ufeffщука\r", "рак\r", "\r", "лебедь"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n\n\n", "no characters beside its line ends"),
        ("one line", "has one line only"),
        ("\none line\n\n", "has one line only"),
        (b"\n\n", "no characters beside its line ends"),
        (b"ab", "has one line only"),
    ],
)
def test_a_text_of_less_than_two_lines_is_refused(text, says):
    with pytest.raises(CorpusError, match=says) as caught:
        _ = from_text(text, "short.txt").records
    assert str(caught.value).startswith("short.txt ")
    assert len(from_text("a\nb").records) == len(from_text("a\na").records) == 2


# What is known of them


@pytest.mark.parametrize(("line", "printed"), [("Abberley", "f0e51aa5"), ("щука", "9fc3be23")])
def test_a_digest_is_what_b2sum_prints(line, printed):
    assert line_digests([line]).astype("<u4").tobytes().hex() == printed
    assert blake2b(line.encode(), digest_size=4).hexdigest() == printed


@given(st.lists(st.text(max_size=5), min_size=1), st.text(max_size=5))
def test_the_lines_of_a_text_are_known_and_others_are_not(lines, other):
    found = LineSet.from_digests(5, line_digests(lines))
    assert all(line in found for line in lines)
    assert (other in found) == (other in lines)
    assert len(found.digests) == len(set(lines))


def test_nearly_no_line_is_taken_for_another():
    found = LineSet.from_digests(20, line_digests(NAMES.splitlines()))
    strangers = [f"{name}{n}" for name in NAMES.splitlines() for n in range(5)]
    assert sum(stranger in found for stranger in strangers) <= 2  # 40,560 · 8,112 / 2³² = 0.08 of them are expected


@given(st.lists(st.text(max_size=5), min_size=1))
def test_what_is_known_comes_back_from_json(lines):
    found = LineSet.from_digests(7, line_digests(lines))
    again = LineSet.from_json(found.to_json())
    assert again.longest == 7
    assert again.digests.tolist() == found.digests.tolist()
    assert LineSet.from_json(LineSet(7, None).to_json()) == LineSet(7, None)


def test_of_too_many_lines_none_are_known(monkeypatch):
    monkeypatch.setattr(known, "MOST", 3)
    assert LineSet.from_digests(5, line_digests("abca")).digests is not None
    assert LineSet.from_digests(5, line_digests("abcd")).digests is None
    assert "a" not in LineSet.from_digests(5, line_digests("abcd"))


GOOD = LineSet.from_digests(3, line_digests("abc")).to_json()


@pytest.mark.parametrize(
    "data",
    [
        None,
        1,
        [],
        {},
        {"longest": 3},
        GOOD | {"longest": 0},
        GOOD | {"longest": "3"},
        GOOD | {"longest": True},
        GOOD | {"longest": 2**60},
        GOOD | {"digests": 1},
        GOOD | {"digests": [1]},
        GOOD | {"digests": GOOD["digests"][:-4]},
        GOOD | {"digests": "AAAAAAAAAAA="},  # 0 and 0
        GOOD | {"digests": "AQAAAAAAAAA="},  # 1 and 0
        GOOD | {"digests": "*" + GOOD["digests"][1:]},
        GOOD | {"digests": "щ"},
    ],
    ids=str,
)
def test_what_is_no_knowledge_of_lines_is_refused(data):
    with pytest.raises(ValueError):
        LineSet.from_json(data)


# The split


@given(LINES, st.floats(0, 0.9), st.integers(0, 5), st.integers(0, 60))
def test_a_split_is_honest(lines, fraction, seed, least):
    learned, held_out = records_of(lines).split(fraction, least, seed)
    one, other = text_of(learned), text_of(held_out)
    assert Counter(one) + Counter(other) == Counter(lines)
    assert not set(one) & set(other), "what is held out was not learned"
    assert one, "there is something to learn"
    assert len(other) <= len(lines) * fraction
    assert not other or held_out.size >= least
    assert learned.digests.tolist() == line_digests(one).tolist()


def test_a_split_is_a_random_part_that_follows_from_the_seed():
    found = from_text(NAMES).records
    first, again, another = (found.split(0.1, 100, seed)[1] for seed in (1, 1, 2))
    assert len(first) == len(another) == len(found) // 10
    assert first.starts.tolist() == again.starts.tolist()
    both = np.intersect1d(first.starts, another.starts)
    assert 40 < len(both) < 125  # a tenth of a tenth is expected, 81 ± 8.5
    places = first.starts / len(NAMES)  # from all over the text, which is in the order of the alphabet
    np.testing.assert_allclose(np.quantile(places, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], rtol=0, atol=0.06)


def test_a_line_that_stands_too_often_to_be_held_out_is_learned():
    for seed in range(20):
        learned, held_out = records_of(["GET /"] * 60 + [f"line {n}" for n in range(40)]).split(0.2, 0, seed)
        assert text_of(learned).count("GET /") == 60
        assert len(held_out) == 20, "others take all the room"


def test_a_held_out_part_that_says_nothing_is_learned():
    found = records_of([f"{n:09}" for n in range(100)])
    assert [len(part) for part in found.split(0.1, 100, 1)] == [90, 10]
    assert [len(part) for part in found.split(0.1, 101, 1)] == [100, 0]
    assert [len(part) for part in found.split(0, 0, 1)] == [100, 0]


# Batches


def read_again(batches, offset):
    """Every row of every batch of an epoch as it was read: inputs, targets, and the chunks it took."""
    read, chunk_of = [], batches.epoch(offset)
    for k in range(batches.chunks):
        chunk = chunk_of(k)
        T, B = chunk.inputs.shape
        assert chunk.targets.shape == chunk.real.shape == (T, B)
        assert batches.rows == B
        assert 1 <= T <= batches.seq_length
        assert chunk.inputs.dtype == chunk.targets.dtype == batches.records.ids.dtype
        assert 0 < chunk.chars == chunk.real.sum()
        if chunk.afresh == slice(None):
            read += [([], [], []) for _ in range(B)]
        else:
            assert chunk.afresh == slice(0, 0)
        for row in range(B):
            inputs, targets, real = read[len(read) - B + row]
            inputs += chunk.inputs[:, row].tolist()
            targets += chunk.targets[:, row].tolist()
            real += chunk.real[:, row].tolist()
    return read


@given(LINES, st.integers(1, 9), st.integers(1, 15), st.integers(0, 2**53 - 1))
@example(["a" * 12, "b"], 2, 1, 0)
def test_an_epoch_reads_every_record_once_from_line_end_to_line_end(lines, B, T, offset):
    batches, found = LineBatches(records_of(lines), B, T), []
    for inputs, targets, real in read_again(batches, offset):
        n = sum(real)
        assert real == [True] * n + [False] * (len(real) - n)
        if n:
            assert inputs[:n] == [10, *targets[: n - 1]]
            assert targets[n - 1] == 10
            found.append(bytes(targets[: n - 1]).decode())
        assert set(inputs[n + 1 :] + targets[n:]) <= {10}
    assert Counter(found) == Counter(lines)


@given(LINES, st.integers(1, 9), st.integers(1, 15), st.integers(0, 9))
def test_every_epoch_has_as_many_chunks_and_a_share_of_one_in_the_mean(lines, B, T, pool):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "POOL", pool + 1)
        batches = LineBatches(records_of(lines), B, T)
        for offset in range(3):
            chunks = [batches.epoch(offset)(k) for k in range(batches.chunks)]
            assert sum(chunk.afresh == slice(None) for chunk in chunks) == -(-len(lines) // B)
            assert sum(chunk.chars for chunk in chunks) == batches.size == sum(len(line) + 1 for line in lines)
            assert sum(chunk.share for chunk in chunks) == pytest.approx(len(chunks))
            for chunk in chunks:
                assert chunk.share == pytest.approx(chunk.chars / batches.per_step)


def test_the_pieces_of_a_long_line_are_as_even_as_can_be():
    batches = LineBatches(records_of(["abcdefghij" * 3, "k" * 29]), 2, 12)
    assert [len(batches.epoch(0)(k).inputs) for k in range(batches.chunks)] == [10, 10, 11]


@pytest.mark.parametrize(
    ("R", "B", "rows"), [(0, 50, 0), (1, 50, 1), (50, 50, 50), (51, 50, 26), (101, 50, 34), (7301, 50, 50)]
)
def test_batches_are_as_even_as_can_be(R, B, rows):
    assert even_batch_size(R, B) == rows
    batches = LineBatches(records_of([f"{n:04}" for n in range(R)]), B, 50)
    assert batches.rows == rows
    counts = [int(batches.epoch(3)(k).real.any(axis=0).sum()) for k in range(batches.chunks)]
    assert all(count in (rows, rows - 1) for count in counts)
    assert sum(counts) == R


def test_nothing_held_out_is_no_chunks():
    _, nothing = records_of(["a", "b"]).split(0, 0, 1)
    batches = LineBatches(nothing, 50, 50)
    assert (batches.chunks, batches.rows, batches.size, batches.lines) == (0, 0, 0, 0)


def test_an_order_follows_from_its_number():
    batches = LineBatches(from_text(NAMES).records, 50, 50)

    def order(offset):
        chunk_of = batches.epoch(offset)
        return [chunk_of(k).targets.tobytes() for k in range(batches.chunks)]

    first = order(1)
    assert first == order(1)
    assert not set(first) & set(order(2)), "no batch is put together twice"
    lengths = np.array([len(batches.epoch(1)(k).targets) for k in range(batches.chunks)])
    assert abs(np.corrcoef(lengths, np.arange(len(lengths)))[0, 1]) < 0.35, "short and long ones come in any order"


def test_records_of_a_batch_are_of_similar_length():
    batches = LineBatches(from_text(NAMES).records, 50, 50)
    read = sum(batches.epoch(1)(k).inputs.size for k in range(batches.chunks))
    assert batches.size / read > 0.9


def test_any_record_may_come_with_any_other_of_its_length():
    batches = LineBatches(records_of([f"{n:03}" for n in range(300)]), 10, 5)
    companions = set()
    for offset in range(200):
        for k in range(batches.chunks):
            batch = {bytes(row[:3]).decode() for row in batches.epoch(offset)(k).targets.T}
            if "007" in batch:
                companions |= batch
    assert len(companions) > 290


# The choice between running text and records


def test_a_corpus_is_read_as_the_configuration_says():
    found = from_text(NAMES)
    config = TrainingConfig(1, batch_size=20, seq_length=10, val_fraction=0.2, seed=3)
    learned, held_out, lines = split_corpus(found, config)
    assert (learned.lines, held_out.lines, lines) == (0, 0, None)
    assert learned.size + held_out.size == len(NAMES)
    learned, held_out, lines = split_corpus(found, TrainingConfig(1, 20, 10, lines=True, val_fraction=0.2, seed=3))
    assert (learned.lines, held_out.lines) == (6490, 1622)
    assert learned.size + held_out.size == len(NAMES)
    assert learned.rows == 20
    assert all(name in lines for name in NAMES.splitlines()), "what is held out is known too"
    assert lines.longest == max(map(len, NAMES.splitlines()))
