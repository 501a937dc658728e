"""The rivals of `tests/bench/forms/`: splits that do not leak, scores that are right, and programs that learn."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.forms import pairs, scores

FORMS = Path(__file__).parent / "bench" / "forms"
LETTERS = "abcdefgh"


def run(program: str, *words: object) -> dict[str, Any]:
    """The JSON object that a program prints; fails if it fails."""
    command = [sys.executable, str(FORMS / f"{program}.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def split(folder: Path, source: object, *words: object) -> tuple[list[pairs.Pair], list[pairs.Pair]]:
    """The training and test lines that `splits.py` makes."""
    printed = run("splits", source, folder, *words)
    train, test = pairs.read(folder / "train.tsv"), pairs.read(folder / "test.tsv")
    assert (printed["train"], printed["test"]) == (len(train), len(test))
    return train, test


def sources(found: list[pairs.Pair]) -> set[str]:
    return {source for source, _ in found}


# Splits


def test_no_source_is_on_both_sides_and_no_line_is_lost(tmp_path: Path) -> None:
    lines = [(f"s{n % 70}", f"t{n}") for n in range(200)]
    pairs.write(tmp_path / "all.tsv", lines)
    train, test = split(tmp_path / "out", tmp_path / "all.tsv")
    assert len(sources(test)) == 7
    assert not sources(train) & sources(test)
    assert Counter(train + test) == Counter(lines)
    assert train == [pair for pair in lines if pair in train]  # in their order


def test_the_seed_decides_which_sources_are_held_out(tmp_path: Path) -> None:
    pairs.write(tmp_path / "all.tsv", [(str(n), "x") for n in range(100)])
    held_out = [sources(split(tmp_path / "out", tmp_path / "all.tsv", "--seed", seed)[1]) for seed in (1, 1, 2)]
    assert held_out[0] == held_out[1] != held_out[2]
    assert all(len(found) == 10 for found in held_out)


def test_the_number_of_held_out_sources_can_be_chosen(tmp_path: Path) -> None:
    pairs.write(tmp_path / "all.tsv", [(str(n % 50), str(n)) for n in range(100)])
    train, test = split(tmp_path / "out", tmp_path / "all.tsv", "--test", 20)
    assert (len(train), len(test)) == (60, 40)


@pytest.mark.parametrize("n", [0, 50, 51])
def test_a_split_with_an_empty_side_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="distinct sources"):
        pairs.divide([(str(n % 50), str(n)) for n in range(100)], seed=1, held_out=n)


def test_a_line_without_a_tab_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("x\ty\nz\n")
    with pytest.raises(SystemExit, match="line 2"):
        pairs.read(tmp_path / "a.tsv")


def test_a_folder_gives_each_line_the_name_of_its_file_as_label(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Old Norse.txt").write_text("Ásgeir\n\n  Egill   Skallagrímsson \n", encoding="utf-8")
    (tmp_path / "in" / "Latin.txt").write_text("Egill Skallagrímsson\nMarcus\nMarcus", encoding="utf-8")
    train, test = split(tmp_path / "out", tmp_path / "in", "--test", 1)
    assert Counter(train + test) == {
        ("Ásgeir", "Old Norse"): 1,
        ("Egill Skallagrímsson", "Old Norse"): 1,
        ("Egill Skallagrímsson", "Latin"): 1,
        ("Marcus", "Latin"): 2,
    }
    assert len(sources(test)) == 1


@pytest.mark.parametrize("task", ["reversal", "copying"])
def test_random_strings_are_reversed_or_copied(task: str, tmp_path: Path) -> None:
    train, test = split(tmp_path, task, "--lines", 2000, "--test", 100)
    assert (len(train), len(test)) == (1900, 100)
    lengths = Counter(len(source) for source, _ in train + test)
    assert min(lengths) == 1
    assert max(lengths) == 40
    assert all(20 < lengths[n] < 90 for n in range(2, 41))
    step = -1 if task == "reversal" else 1
    assert all(target == source[::step] for source, target in train + test)
    assert len(sources(train + test)) == 2000


# Scores


def test_accuracy_and_macro_f1_are_those_of_a_table() -> None:
    targets = ["a", "a", "a", "b", "b", "c"]
    found = ["a", "a", "b", "b", "d", "a"]
    # a: 2 right of 3 found and 3 expected; b: 1 of 2 and 2; c and d: nothing
    assert scores.accuracy(targets, found) == pytest.approx(3 / 6)
    assert scores.macro_f1(targets, found) == pytest.approx((2 / 3 + 1 / 2 + 0 + 0) / 4)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    targets, found = list("aabbbcccdaab"), list("abbbcccadeab")
    assert scores.macro_f1(targets, found) == pytest.approx(metrics.f1_score(targets, found, average="macro"))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", set()),
        ("...", set()),
        ("NN.DD", {("N", 0, 2), ("D", 3, 5)}),
        (".NNDD.N", {("N", 1, 3), ("D", 3, 5), ("N", 6, 7)}),
    ],
)
def test_spans_are_the_longest_runs_of_a_tag(tags: str, expected: set[scores.Span]) -> None:
    assert scores.spans(tags) == expected


def test_a_span_counts_only_if_its_tag_and_both_ends_are_right() -> None:
    targets = ["NN.DD", "..#", "NNN"]
    found = ["NN.D.", "..N", "NNN"]
    # 2 spans right, of 4 found and 4 expected
    assert scores.span_f1(targets, found) == pytest.approx(2 / 4)
    assert scores.span_f1(targets, targets) == 1
    assert scores.span_f1(targets, ["....."[: len(target)] for target in targets]) == 0


# Programs


@pytest.fixture(scope="session")
def strings() -> list[str]:
    """Distinct short strings of the first letters."""
    return [f"{a}{b}{c}{d}" for a in LETTERS for b in LETTERS for c in "abc" for d in LETTERS[:5]]


def files(folder: Path, found: list[pairs.Pair]) -> tuple[Path, Path]:
    """A training and a test file of some pairs."""
    train, test = pairs.divide(found, seed=1)
    pairs.write(folder / "train.tsv", train)
    pairs.write(folder / "test.tsv", test)
    return folder / "train.tsv", folder / "test.tsv"


def test_the_ngram_classifier_learns_the_label_of_a_letter(tmp_path: Path, strings: list[str]) -> None:
    pytest.importorskip("sklearn")
    found = run("ngram_classifier", *files(tmp_path, [(text, text[-1]) for text in strings]))
    assert found["accuracy"] == found["macro_f1"] == 1
    assert found["threads"] == 1
    assert (found["train"], found["test"]) == (864, 96)


def test_the_torch_classifier_learns_the_label_of_a_letter(tmp_path: Path, strings: list[str]) -> None:
    pytest.importorskip("torch")
    words = ("--steps", 80, "--hidden-size", 16, "--layers", 2, "--lr", 0.03, "--threads", 1)
    found = run("torch_classifier", *files(tmp_path, [(text, text[0]) for text in strings]), *words)
    assert found["accuracy"] > 0.95
    assert found["macro_f1"] > 0.9
    assert (found["steps"], found["threads"], found["train"], found["test"]) == (80, 1, 864, 96)


def tag_between(before: str, after: str) -> str:
    """The tag of a letter between two others: N before an a, D after a b, unless it is before an a."""
    return "N" if after == "a" else "D" if before == "b" else "."


def test_the_torch_tagger_learns_tags_that_depend_on_both_sides(tmp_path: Path, strings: list[str]) -> None:
    pytest.importorskip("torch")
    examples = [(text, "".join(map(tag_between, f".{text[:-1]}", f"{text[1:]}."))) for text in strings]
    words = ("--steps", 100, "--hidden-size", 16, "--lr", 0.03, "--threads", 1)
    found = run("torch_tagger", *files(tmp_path, examples), *words)
    assert found["span_f1"] > 0.9
    assert found["accuracy"] > 0.95


def test_the_torch_translator_learns_to_reverse(tmp_path: Path, strings: list[str]) -> None:
    pytest.importorskip("torch")
    words = ("--steps", 200, "--hidden-size", 32, "--lr", 0.03, "--threads", 1)
    found = run("torch_seq2seq", *files(tmp_path, [(text, text[::-1]) for text in strings]), *words)
    assert found["accuracy"] > 0.9


@pytest.mark.parametrize("layers", [1, 2])
def test_two_directions_give_what_packed_sequences_give(layers: int) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    from bench.forms.bidirectional import BidirectionalLSTM

    torch.manual_seed(1)
    T, B, size, H = 7, 4, 3, 5
    lengths = torch.tensor([4, 7, 1, 6])
    x = torch.randn(T, B, size, dtype=torch.float64)
    packed = torch.nn.LSTM(size, H, layers, bidirectional=True).double()
    ours = BidirectionalLSTM(size, H, layers, dropout=0.0).double()
    for layer in range(layers):
        for direction, suffix in ((ours.forwards, ""), (ours.backwards, "_reverse")):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                weights = getattr(packed, f"{name}_l{layer}{suffix}")
                getattr(direction[layer], f"{name}_l0").data.copy_(weights.data)
    expected, (h, _) = packed(pack_padded_sequence(x, lengths, enforce_sorted=False))
    padded, _ = pad_packed_sequence(expected)
    outputs, last = ours(x, lengths)
    is_text = torch.arange(T)[:, None] < lengths
    torch.testing.assert_close(outputs[is_text], padded[is_text])
    torch.testing.assert_close(last, torch.cat((h[-2], h[-1]), 1))


def test_attention_gives_the_padding_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(FORMS)
    from torch_seq2seq import END, START, Translator, translate
    from torch_training import Characters, padded

    torch.manual_seed(1)
    characters = Characters(["abcdefgh", START, END])
    model = Translator(len(characters), len(characters), 8, 1, 0.0).double().eval()
    texts = ["a", "bcdefgh", "cad"]
    ids, lengths = padded(texts, characters)
    inputs = torch.arange(4)[:, None].expand(4, 3) + 2
    with torch.inference_mode():
        outputs, is_padding, state = model.encode(ids, lengths)
        together, _ = model.decode(inputs, state, outputs, is_padding)
        for b, text in enumerate(texts):
            outputs, is_padding, state = model.encode(*padded([text], characters))
            alone, _ = model.decode(inputs[:, :1], state, outputs, is_padding)
            torch.testing.assert_close(together[:, b], alone[:, 0])
        found = translate(model, texts, characters, characters, 9)
        assert found == [translate(model, [text], characters, characters, 9)[0] for text in texts]


def test_an_unknown_character_has_a_number_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(FORMS)
    from torch_training import UNKNOWN, Characters

    characters = Characters(["ba", "c"])
    assert characters.ids("abcz").tolist() == [2, 3, 4, UNKNOWN]
    assert characters.text([4, 2]) == "ca"
    assert len(characters) == 5


@pytest.mark.parametrize("form", ["translator", "tagger"])
def test_both_train_on_the_same_batches(form: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    target = str.upper if form == "tagger" else str
    lines = "".join(f"{LETTERS[: n % 5 + 2]}\t{target(LETTERS[: n % 5 + 2])}\n" for n in range(200))
    (tmp_path / "train.tsv").write_text(lines, encoding="utf-8")
    short = ("--rounds", 1, "--seconds", 0.01, "--hidden-size", 8, "--layers", 1, "--threads", 1)
    found = run("training_speed", tmp_path / "train.tsv", "--form", form, *short)
    assert found["ratio"] == pytest.approx(found["charrnn"] / found["pytorch"])
