"""The layout `lines`: lines are found wherever blocks end, split honestly, and read in batches that lose nothing."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.dataset import corpus
from charrnn.dataset import lines as module
from charrnn.dataset.batch import NO_ROWS
from charrnn.dataset.corpus import from_text
from charrnn.dataset.files import Source
from charrnn.dataset.line_rows import usual_longest
from charrnn.dataset.line_set import line_digests
from charrnn.dataset.lines import LineBatches, Lines, even_batch_size
from charrnn.dataset.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from support.trainings import place_names

NAMES = place_names()
TEXTS = st.text(st.sampled_from("ab\né😀\udcff"), max_size=60)
LINES = st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=12), min_size=1, max_size=40)


def lines_of(texts):
    """The lines of a text of bytes that has these lines of ASCII."""
    text = "".join(line + "\n" for line in texts)
    return Lines.from_ids(np.frombuffer(text.encode(), np.uint8), Vocabulary(None))


def texts_of(lines, vocabulary=None):
    """The text of each line."""
    ids = (lines.ids[start : start + n].tolist() for start, n in zip(lines.starts, lines.lengths, strict=True))
    return [(vocabulary or Vocabulary(None)).decode(line) for line in ids]


# The lines of a text


@given(TEXTS, st.sampled_from([1, 2, 3, 5, 1 << 20]), st.booleans())
@example("a\n\n\nb", 2, False)
@example("\n", 1, True)
@example("", 1, False)
def test_the_lines_of_a_text_are_found_wherever_the_blocks_end(text, block, as_bytes):
    vocabulary = Vocabulary(None) if as_bytes else Vocabulary(sorted({*text, "\n"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SCAN_BLOCK", block)
        found = Lines.from_ids(vocabulary.encode(text), vocabulary)
    wanted = [line for line in text.split("\n") if line]
    assert texts_of(found, vocabulary) == wanted
    assert found.digests.tolist() == line_digests(wanted).tolist()
    assert len(found) == len(wanted)
    assert found.size == sum(len(vocabulary.encode(line)) + 1 for line in wanted)
    assert found.longest == max((len(vocabulary.encode(line)) for line in wanted), default=0)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_newlines_after_the_last_line_make_no_difference(end):
    assert texts_of(lines_of(["ab", "c"])) == texts_of(
        Lines.from_ids(np.frombuffer(b"ab\nc" + end.encode(), np.uint8), Vocabulary(None))
    )


@given(st.lists(st.text("abé ", min_size=1, max_size=9), min_size=2, max_size=20), st.booleans())
def test_an_excerpt_is_as_many_of_the_last_lines_as_fit(lines, ends):
    text = from_text("\n\n".join(lines) + "\n" * ends)
    whole = "".join(f"{line}\n" for line in lines)
    assert text.vocabulary.decode(text.lines.excerpt(10**6)) == whole
    for limit in range(1, len(whole)):
        part = text.vocabulary.decode(text.lines.excerpt(limit))
        if limit <= len(lines[-1]):
            assert part == whole[-limit:], "the end of the last line, since it does not fit"
            continue
        assert len(part) <= limit
        assert whole.endswith("\n" + part)
        assert len(part) + len(lines[len(lines) - part.count("\n") - 1]) + 1 > limit
    nothing = text.lines.select(np.zeros(len(lines), bool))
    assert not len(nothing.excerpt(5))


def test_a_text_without_newlines_is_one_line():
    vocabulary = Vocabulary(" ab")  # whose start is the space
    assert texts_of(Lines.from_ids(vocabulary.encode("a b a"), vocabulary), vocabulary) == ["a b a"]


def test_every_line_ending_ends_a_line_of_text_but_bytes_stay_as_they_are(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes("\ufeffщука\r\nрак\r\n\r\nлебедь".encode())
    found = corpus.read(Source((str(path),)))
    assert texts_of(found.lines, found.vocabulary) == ["щука", "рак", "лебедь"]
    found = corpus.read(Source((str(path),), as_bytes=True))
    assert texts_of(found.lines) == ["\ufeffщука\r", "рак\r", "\r", "лебедь"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n\n\n", "no characters except newlines"),
        ("one line", "has only one line"),
        ("\none line\n\n", "has only one line"),
        (b"\n\n", "no characters except newlines"),
        (b"ab", "has only one line"),
    ],
)
def test_a_text_of_less_than_two_lines_is_refused(text, says):
    with pytest.raises(CorpusError, match=says) as caught:
        _ = from_text(text, "short.txt").lines
    assert str(caught.value).startswith("short.txt ")
    assert len(from_text("a\nb").lines) == len(from_text("a\na").lines) == 2


# Their split


@given(LINES, st.floats(0, 0.9), st.integers(0, 5), st.integers(0, 60))
def test_no_held_out_line_is_learned(lines, fraction, seed, least):
    training, validation = lines_of(lines).split(fraction, least, seed)
    learned, held_out = texts_of(training), texts_of(validation)
    assert Counter(learned) + Counter(held_out) == Counter(lines)
    assert not set(learned) & set(held_out)
    assert learned, "there is something to learn"
    assert len(held_out) <= len(lines) * fraction
    assert not held_out or validation.size >= least
    assert training.digests.tolist() == line_digests(learned).tolist()


def test_the_held_out_lines_are_random_and_follow_from_the_seed():
    found = from_text(NAMES).lines
    first, again, another = (found.split(0.1, 100, seed)[1] for seed in (1, 1, 2))
    assert len(first) == len(another) == len(found) // 10
    assert first.starts.tolist() == again.starts.tolist()
    both = np.intersect1d(first.starts, another.starts)
    assert 40 < len(both) < 125  # a tenth of a tenth is expected, 81 ± 8.5
    places = first.starts / len(NAMES)  # from all over the text, which is in alphabetical order
    np.testing.assert_allclose(np.quantile(places, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], rtol=0, atol=0.06)


def test_a_line_that_occurs_too_often_to_be_held_out_is_learned():
    for seed in range(20):
        training, validation = lines_of(["GET /"] * 60 + [f"line {n}" for n in range(40)]).split(0.2, 0, seed)
        assert texts_of(training).count("GET /") == 60
        assert len(validation) == 20, "others take all the room"


def test_a_line_that_would_be_most_of_the_validation_text_is_learned():
    found = lines_of([*(f"name {n:03}" for n in range(200)), "long " * 400])
    for seed in range(20):
        training, validation = found.split(0.1, 0, seed)
        assert (training.longest, validation.longest, len(validation)) == (2000, 8, 20)
    found = lines_of([*(f"name {n:03}" for n in range(2000)), "long " * 300])
    assert {found.split(0.1, 0, seed)[1].longest for seed in range(40)} == {9, 1500}, "it is within the fraction"


def test_lines_too_few_to_validate_on_are_learned():
    found = lines_of([f"{n:09}" for n in range(100)])
    assert [len(part) for part in found.split(0.1, 100, 1)] == [90, 10]
    assert [len(part) for part in found.split(0.1, 101, 1)] == [100, 0]
    assert [len(part) for part in found.split(0, 0, 1)] == [100, 0]


# Their batches


def rows_of(data, order):
    """Every row of every group of an epoch as it is read: its inputs, its targets, and which of these count."""
    read, batch_of = [], data.epoch(order)
    for k in range(data.steps_per_epoch):
        batch = batch_of(k)
        T, B = batch.inputs.shape
        assert batch.targets.shape == batch.mask.shape == (T, B)
        assert data.batch_size == B
        assert 1 <= T <= data.seq_length
        assert batch.inputs.dtype == batch.targets.dtype == data.lines.ids.dtype
        assert 0 < batch.chars == batch.mask.sum()
        if batch.reset == slice(None):
            read += [([], [], []) for _ in range(B)]
        else:
            assert batch.reset == NO_ROWS
        for row in range(B):
            inputs, targets, mask = read[len(read) - B + row]
            inputs += batch.inputs[:, row].tolist()
            targets += batch.targets[:, row].tolist()
            mask += batch.mask[:, row].tolist()
    return read


@given(LINES, st.integers(1, 9), st.integers(1, 15), st.integers(0, 2**53 - 1))
@example(["a" * 12, "b"], 2, 1, 0)
@example(["a" * 12, "bc", "d"], 2, 1, 0)
@example(["abcabcabcabcabc", *"abcab"], 3, 2, 0)
def test_an_epoch_reads_every_line_once_from_newline_to_newline(lines, B, T, order):
    data, found = LineBatches(lines_of(lines), B, T), []
    for inputs, targets, mask in rows_of(data, order):
        n = sum(mask)
        assert mask == [True] * n + [False] * (len(mask) - n)
        if n:
            assert inputs[1:n] == targets[: n - 1]
            found.append((inputs[0], bytes(targets[:n]).decode()))
        assert set(inputs[n + 1 :] + targets[n:]) <= {10}
    assert Counter(found) == Counter(part for line in lines for part in parts_of(line, lines, T))


def parts_of(line, lines, T):
    """The parts of a line that are rows, each after the character before it: a single one, unless the line is long."""
    usual, needed = (
        -(-n // T) for n in (sorted(len(line) + 1 for line in lines)[(len(lines) - 1) * 95 // 100], len(line) + 1)
    )
    n = max(1, -(-needed // min(4 * usual, 100)))
    text, borders = line + "\n", [(len(line) + 1) * k // n for k in range(n + 1)]
    return [(ord(("\n" + text)[a]), text[a:b]) for a, b in pairwise(borders)]


@given(LINES, st.integers(1, 9), st.integers(1, 15), st.integers(0, 9))
def test_every_epoch_has_as_many_batches_whose_mean_weight_is_one(lines, B, T, pool):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "POOL_BATCHES", pool + 1)
        data = LineBatches(lines_of(lines), B, T)
        for order in range(3):
            batches = [data.epoch(order)(k) for k in range(data.steps_per_epoch)]
            assert sum(batch.reset == slice(None) for batch in batches) == -(-len(data.rows.starts) // B)
            assert sum(batch.chars for batch in batches) == data.size == sum(len(line) + 1 for line in lines)
            assert sum(batch.weight for batch in batches) == pytest.approx(len(batches))
            for batch in batches:
                assert batch.weight == pytest.approx(batch.chars / data.chars_per_step)


def test_a_line_that_is_much_longer_than_the_rest_is_no_row_beside_padding():
    names = [f"{n:04}" for n in range(400)]
    data = LineBatches(lines_of([*names, "x" * 30_000]), 50, 50)
    assert data.n_lines == 401
    assert data.steps_per_epoch <= LineBatches(lines_of(names), 50, 50).steps_per_epoch + 30_000 / (50 * 50) + 4
    for order in range(3):
        batches = [data.epoch(order)(k) for k in range(data.steps_per_epoch)]
        assert sum(batch.chars for batch in batches) == data.size == 400 * 5 + 30_001
        sparse = [batch for batch in batches if batch.mask.any(axis=0).sum() < 40]
        assert len(sparse) <= 4, "only where both kinds of lines meet"


def test_a_few_long_records_fill_a_batch_and_begin_from_a_zero_state_as_streams_do():
    data = LineBatches(lines_of(["abc" * 10_000, "de" * 15_000, "fghi" * 8_000]), 50, 10)
    assert (data.n_lines, data.batch_size) == (3, 48)
    batches = [data.epoch(1)(k) for k in range(data.steps_per_epoch)]
    assert max(np.diff([k for k, batch in enumerate(batches) if batch.reset == slice(None)])) <= 100
    assert sum(batch.chars for batch in batches) == 92_003


@pytest.mark.parametrize(
    ("lengths", "usual"),
    [([5, 9, 100, 7], 100), ([5] * 30 + [101], 5), ([30] * 30 + [120, 121], 120), ([200, 800], 800), ([200, 801], 200)],
)
def test_the_longest_usual_line_is_none_that_is_much_longer_than_the_rest(lengths, usual):
    assert usual_longest(np.array(lengths)) == usual


def test_the_pieces_of_a_long_line_are_as_even_as_possible():
    data = LineBatches(lines_of(["abcdefghij" * 3, "k" * 29]), 2, 12)
    assert [len(data.epoch(0)(k).inputs) for k in range(data.steps_per_epoch)] == [10, 10, 11]


@pytest.mark.parametrize(
    ("R", "B", "rows"), [(0, 50, 0), (1, 50, 1), (50, 50, 50), (51, 50, 26), (101, 50, 34), (7301, 50, 50)]
)
def test_the_rows_of_batches_are_as_even_as_possible(R, B, rows):
    assert even_batch_size(R, B) == rows
    data = LineBatches(lines_of([f"{n:04}" for n in range(R)]), B, 50)
    assert data.batch_size == rows
    counts = [int(data.epoch(3)(k).mask.any(axis=0).sum()) for k in range(data.steps_per_epoch)]
    assert all(count in (rows, rows - 1) for count in counts)
    assert sum(counts) == R


def test_no_held_out_lines_are_no_batches():
    _, nothing = lines_of(["a", "b"]).split(0, 0, 1)
    data = LineBatches(nothing, 50, 50)
    assert (data.steps_per_epoch, data.batch_size, data.size, data.n_lines) == (0, 0, 0, 0)
    assert list(data.batches(10)) == []


def test_an_epoch_follows_from_its_order():
    data = LineBatches(from_text(NAMES).lines, 50, 50)

    def epoch(order):
        batch_of = data.epoch(order)
        return [batch_of(k).targets.tobytes() for k in range(data.steps_per_epoch)]

    first = epoch(1)
    assert first == epoch(1)
    assert not set(first) & set(epoch(2)), "no batch has the same lines again"
    lengths = np.array([len(data.epoch(1)(k).targets) for k in range(data.steps_per_epoch)])
    assert abs(np.corrcoef(lengths, np.arange(len(lengths)))[0, 1]) < 0.35, "short and long ones come in any order"


def test_validation_reads_the_batches_of_one_epoch():
    data = LineBatches(lines_of(["ab", "c", "defg", "hi", "j"]), 2, 3)
    found = list(data.batches(0))
    assert len(found) == data.steps_per_epoch
    for k, batch in enumerate(found):
        for one, other in zip(batch, data.epoch(0)(k), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_lines_of_a_batch_have_similar_lengths():
    data = LineBatches(from_text(NAMES).lines, 50, 50)
    read = sum(data.epoch(1)(k).inputs.size for k in range(data.steps_per_epoch))
    assert data.size / read > 0.9


def test_any_line_can_be_in_a_batch_with_any_other_of_its_length():
    data = LineBatches(lines_of([f"{n:03}" for n in range(300)]), 10, 5)
    companions = set()
    for order in range(200):
        for k in range(data.steps_per_epoch):
            batch = {bytes(row[:3]).decode() for row in data.epoch(order)(k).targets.T}
            if "007" in batch:
                companions |= batch
    assert len(companions) > 290
