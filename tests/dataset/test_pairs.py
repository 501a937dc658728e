"""The layout `pairs`: only targets count, lines that are no pairs are told, and nothing held out is learned."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import TrainingConfig
from charrnn.dataset.bad_lines import Fault, told
from charrnn.dataset.corpus import from_text
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import line_digests
from charrnn.dataset.lines import LineBatches
from charrnn.dataset.split import split_corpus
from charrnn.errors import ConfigError, CorpusError

WORDS = st.text(st.sampled_from("abcé"), max_size=9)
PAIRS = st.lists(st.tuples(WORDS.filter(len), WORDS), min_size=2, max_size=40)


def text_of(pairs):
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def split(text, **options):
    return split_corpus(from_text(text, "pairs.tsv"), TrainingConfig(1, layout="pairs", **options))


def counted(batches, vocabulary):
    """For each row of all batches, the inputs that were read and the targets that count, in order."""
    rows = {}
    for batch in batches:
        for row in range(batch.inputs.shape[1]):
            if batch.reset == slice(None):
                rows[row] = ["", ""] if row not in rows else [*rows[row], "", ""]
            mask = batch.mask[:, row]
            rows[row][-2] += vocabulary.decode(batch.inputs[:, row])
            rows[row][-1] += vocabulary.decode(batch.targets[mask, row])
    return [tuple(found[n : n + 2]) for found in rows.values() for n in range(0, len(found), 2)]


@given(PAIRS, st.integers(1, 7), st.sampled_from([3, 8, 50]))
def test_each_target_counts_once_after_its_source(pairs, B, T):
    corpus = from_text(text_of(pairs))
    data = LineBatches(corpus.pairs.lines, B, T)
    for batches in (data.batches(0), map(data.epoch(5), range(data.steps_per_epoch))):
        batches = list(batches)
        found = [(read, target) for read, target in counted(batches, corpus.vocabulary) if target]
        assert Counter(target for _, target in found) == Counter(target + "\n" for _, target in pairs)
        sources = Counter(read.strip("\n").partition("\t")[0] for read, _ in found)
        assert sources == Counter(source for source, _ in pairs)
        assert sum(batch.chars for batch in batches) == data.size == sum(len(target) + 1 for _, target in pairs)
        assert sum(batch.chars_read for batch in batches) == data.chars_read == len(text_of(pairs))
        assert sum(batch.weight for batch in batches) == pytest.approx(data.steps_per_epoch)


def test_little_is_read_that_is_padding():
    names = [f"{'x' * (3 + n % 5)}\t{'y' * (2 + n * 7919 % 11)}" for n in range(8000)]
    data = LineBatches(from_text("\n".join(names)).pairs.lines, 50, 500)
    batches = [*map(data.epoch(1), range(data.steps_per_epoch))]
    assert sum(batch.chars_read for batch in batches) > 0.9 * sum(batch.inputs.size for batch in batches)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\nc\nd\te\n", "line 2 has no tab in pairs.tsv"),
        ("a\tb\n\n\nc\td\te\nf\tg\n", "line 4 has 2 tabs in pairs.tsv"),
        ("\tb\nc\td\n", "line 1 has no source in pairs.tsv"),
        ("a\nb\nc\n", "line 1 has no tab in pairs.tsv \\(3 lines are like that\\)"),
        ("a\tb\n", "only one pair"),
        ("\n\n", "no pairs"),
    ],
)
def test_lines_that_are_no_pairs_are_told_by_their_number(text, message):
    with pytest.raises(CorpusError, match=message):
        split(text)


def test_lines_that_are_no_pairs_can_be_skipped_and_are_counted():
    found = split("a\tb\nc\nd\te\nf\tg\th\n\ti\n", skip_bad=True)
    assert found.n_skipped == 3
    assert found.training.n_lines == 2
    with pytest.raises(CorpusError, match="only one pair"):
        split("a\tb\nc\n", skip_bad=True)


def test_bytes_can_be_pairs():
    corpus = from_text(b"\xff\tb\nc\t\xfe\xfe\n")
    assert corpus.pairs.lines.size == 2 + 3
    assert corpus.pairs.longest_target == 2


def held_out(pairs, column, seed):
    found = split(text_of(pairs), val_fraction=0.5, seed=seed)
    corpus = from_text(text_of(pairs))
    rows = []
    for part in (found.training, found.validation):
        lines, vocabulary = part.lines, corpus.vocabulary
        texts = [
            vocabulary.decode(lines.ids[start : start + n])
            for start, n in zip(lines.starts, lines.lengths, strict=True)
        ]
        rows.append({text.split("\t")[column] for text in texts})
        assert len(texts) > 20
    return rows


@pytest.mark.parametrize("column", [0, 1])
def test_no_text_of_the_more_varied_column_is_on_both_sides(column):
    words = [f"word {n % 60}" for n in range(240)]
    labels = [f"label {n % 7}" for n in range(240)]
    pairs = [(word, label)[:: 1 if column == 0 else -1] for word, label in zip(words, labels, strict=True)]
    training, validation = held_out(pairs, column, 1)
    assert training.isdisjoint(validation)
    assert len(training | validation) == 60


def test_the_sources_are_labels_if_they_are_few():
    found = split("Russian\tIvanov\nGreek\tPappas\nRussian\tPetrov\nRussian\tPopov\nGreek\tKostas\n")
    assert found.labels == LabelSet(("Greek", "Russian"), (2, 3))
    assert found.line_set.longest == 6
    assert "Ivanov" in found.line_set
    assert "Russian\tIvanov" not in found.line_set
    assert split("Ivanov\tRussian\nPappas\tGreek\nPetrov\tRussian\n").labels is None
    many = "".join(f"label {n}\ta\n" * 2 for n in range(1001))
    assert split(many).labels is None
    assert len(split("".join(f"label {n}\ta\n" * 2 for n in range(1000))).labels) == 1000


def test_the_digests_are_those_of_the_columns_however_many_lines_are_in_memory(monkeypatch):
    monkeypatch.setattr("charrnn.dataset.pairs.DIGEST_BLOCK", 2)
    pairs = from_text("a\tx\nb\ty\nc\tx\nd\tz\ne\tx\n").pairs
    assert pairs.lines.digests.tolist() == line_digests("abcde").tolist()
    assert pairs.target_digests.tolist() == line_digests("xyxzx").tolist()


# Labels


def test_labels_are_drawn_by_their_frequency():
    labels = LabelSet(("a", "b", "c"), (1, 2, 7))
    rng = np.random.default_rng(1)
    found = Counter(labels.draw(rng) for _ in range(10_000))
    assert [found[name] / 10_000 for name in labels.names] == pytest.approx([0.1, 0.2, 0.7], abs=0.015)


def test_an_unknown_label_gets_the_list_of_known_ones():
    labels = LabelSet.from_counts({"Russian": 3, "Greek": 1})
    assert labels.index("Russian") == 1
    with pytest.raises(ConfigError, match=r"no label 'Latin': choose one of Greek, Russian$"):
        labels.index("Latin")
    with pytest.raises(ConfigError, match=r"18, 19 and 5 more$"):
        LabelSet(tuple(str(n) for n in range(25)), (1,) * 25).index("x")


@pytest.mark.parametrize(
    "data",
    [[], [["a"]], [["a", 0]], [["a", 1], ["a", 2]], [[1, 1]], "a", [["a", True]], [[["a"], 1]], [["a\t", 1]], None],
)
def test_labels_from_a_file_are_not_trusted(data):
    with pytest.raises(ConfigError):
        LabelSet.from_json(data)
    assert LabelSet.from_json([["a", 1], ["b", 2]]).to_json() == [["a", 1], ["b", 2]]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("bad", "very good"), "bad, very good"),
        (("a", "very  good"), "a, 'very  good'"),
        ((" a", "a"), "' a', a"),
        (("", "a,b"), "'', 'a,b'"),
        (("a\x00", "b"), "'a\\x00', b"),
    ],
)
def test_labels_are_named_exactly(names, shown):
    with pytest.raises(ConfigError, match=re.escape(f"no label 'x': choose one of {shown}") + "$"):
        LabelSet(names, (1, 1)).index("x")


@pytest.mark.parametrize("blank", ["", " ", "   ", "\xa0 "])
def test_a_blank_label_is_a_bad_line(blank):
    corpus = from_text(f"a\tx\nb\ty\nc\t{blank}\nd\tx\n")
    with pytest.raises(CorpusError, match=r"^line 3 has no label in text: write text, tab, label"):
        split_corpus(corpus, TrainingConfig(steps=1, layout="labels"))
    split = split_corpus(corpus, TrainingConfig(steps=1, layout="labels", skip_bad=True))
    assert split.n_skipped == 1
    assert split.labels == LabelSet(("x", "y"), (2, 1))
    assert corpus.pairs.faults == ()


def test_blanks_around_a_label_do_not_count():
    corpus = from_text("a\tx \nb\t y\nc\tx\nd\t  x  \ne\tx y\nf\ty\xa0\n")
    assert corpus.labelled.labels == LabelSet(("x", "x y", "y"), (3, 1, 2))
    assert corpus.labelled.ids.tolist() == [0, 2, 0, 0, 1, 2]
    with pytest.raises(CorpusError, match="only one label"):
        _ = from_text("a\tx \nb\tx\n").labelled


BAD = "ab\tx\nab\n\nab\tx\ty\na\n\tx\nab\t \nab\tx\ty\tz\na\tx\nab\txy\nb\n"


@pytest.mark.parametrize(
    ("layout", "wanted", "advice"),
    [
        (
            "pairs",
            "line 2 has no tab in F (3 lines are like that); line 4 has 2 tabs (2 lines are like that); line 6 has no "
            "source",
            "write source, tab, target",
        ),
        (
            "translations",
            "line 2 has no tab in F (3 lines are like that); line 4 has 2 tabs (2 lines are like that); line 6 has no "
            "source",
            "write source, tab, target",
        ),
        (
            "labels",
            "line 2 has no tab in F (3 lines are like that); line 4 has 2 tabs (2 lines are like that); line 6 has no "
            "text; line 7 has no label",
            "write text, tab, label",
        ),
        (
            "tags",
            "line 1 has 1 tag for 2 characters in F (2 lines are like that); line 2 has no tab (3 lines are "
            "like that); "
            "line 4 has 2 tabs (2 lines are like that); line 6 has no text",
            "write text, tab, tags",
        ),
    ],
)
def test_bad_lines_are_counted_by_what_is_wrong_in_a_layout(layout, wanted, advice):
    with pytest.raises(CorpusError) as caught:
        split_corpus(from_text(BAD, "F"), TrainingConfig(1, layout=layout))
    assert str(caught.value) == f"{wanted}: {advice}, or leave such lines out with `skip_bad=True`"
    skipping = TrainingConfig(1, layout=layout, skip_bad=True)
    found = split_corpus(from_text(BAD + "ab\txy\nb\ty\n", "F"), skipping)
    assert told(found.skipped) == wanted
    assert found.n_skipped + found.training.n_lines >= 11
    alone = "".join(line + "\n" for line in BAD.split("\n") if line.count("\t") != 1)
    with pytest.raises(
        CorpusError, match=r"^all 5 lines of F are bad, .*: line 1 has no tab in F \(3 lines .*2 tabs \(2"
    ):
        split_corpus(from_text(alone, "F"), skipping)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("pairs", "F has only one pair of source and target: at least two are needed"),
        ("labels", "F has only one line of text and label: at least two are needed"),
        ("tags", "F has only one line of text and tags: at least two are needed"),
    ],
)
def test_a_single_line_is_too_little_in_the_words_of_its_layout(layout, message):
    with pytest.raises(CorpusError, match=f"^{message}$"):
        split_corpus(from_text("a\tb\n", "F"), TrainingConfig(1, layout=layout))


def test_the_faults_of_each_text_are_its_own():
    corpus = from_text("ab\tx\nbad\n\tx\n", val_text="ef\tx\n\nbad\ng\n" + "ab\tx\n" * 50)
    with pytest.raises(CorpusError) as caught:
        split_corpus(corpus, TrainingConfig(1, layout="pairs"))
    assert str(caught.value).startswith(
        "line 2 has no tab in text; line 3 has no source; line 3 has no tab in the text to validate on (2 "
        "lines are like "
        "that): "
    )


def test_no_more_faults_are_told_than_can_be_read():
    faults = [Fault(f"line {n}", f"has {n}", n, "a") for n in range(1, 9)]
    assert told(faults[:1]) == "line 1 has 1 in a"
    assert told(faults).endswith("; line 6 has 6 (6 lines are like that); and there are 2 other faults")
    assert told(faults[:7]).endswith("; and there is 1 other fault")


@pytest.mark.parametrize(
    ("layout", "text", "fault"),
    [
        ("tags", "ab\tx\nabc\txx\n", "all 2 lines of text are bad, .*: line 1 has 1 tag for 2 characters"),
        ("labels", "\nab\nabc\t \na\t\n", "all 3 lines of text are bad, .*: line 2 has no tab"),
        ("pairs", "\ta\n\tb\n", "all 2 lines of text are bad, .*: line 1 has no source"),
        ("pairs", "ab\n", "the only line of text is bad, .*: line 1 has no tab"),
    ],
)
def test_if_all_lines_are_bad_the_fault_of_the_first_is_told(layout, text, fault):
    with pytest.raises(CorpusError, match=fault):
        split_corpus(from_text(text), TrainingConfig(steps=1, layout=layout, skip_bad=True))
