"""`charrnn train --tags` and `charrnn tag`: real processes, streams and files."""

import json
from pathlib import Path

import pytest

from support.processes import charrnn, error_line, posix, started, train_model
from support.trainings import place_names, with_vowels

TEXTS = with_vowels(place_names(0, 600))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts and a tagger that has learned which characters are vowels."""
    folder = tmp_path_factory.mktemp("tag")
    train_model(folder, TEXTS, "--tags", "--lr", 0.02, "--batch-size", 20, steps=150)
    return folder


def test_it_prints_the_line_a_tab_and_its_tags(folder: Path) -> None:
    done = charrnn("tag", "model.safetensors", cwd=folder, input="Aberdare\n\nLoe")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Aberdare\tv.v..v.v\n\t\nLoe\t.vv\n"


def test_spans_are_printed_with_their_places(folder: Path) -> None:
    done = charrnn("tag", "model.safetensors", "--spans", cwd=folder, input="Ayr\nLoe\n")
    assert done.stdout == "1\t0\t1\tv\tA\n2\t1\t3\tv\toe\n"
    rows = charrnn("tag", "model.safetensors", "--json", cwd=folder, input="Loe\n").stdout.splitlines()
    assert [json.loads(row) for row in rows] == [{"text": "Loe", "tags": ".vv", "spans": [[1, 3, "v"]]}]


def test_what_it_prints_can_be_evaluated(folder: Path) -> None:
    names = "".join(line.split("\t")[0] + "\n" for line in TEXTS.splitlines())
    (folder / "own.tsv").write_text(charrnn("tag", "model.safetensors", cwd=folder, input=names).stdout)
    own = json.loads(charrnn("tag", "model.safetensors", "--evaluate", "own.tsv", "--json", cwd=folder).stdout)
    assert own["f1"] == own["character_accuracy"] == 1
    done = charrnn("tag", "model.safetensors", "--evaluate", "corpus.txt", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert found["texts"] == 600
    assert found["f1"] > 0.97
    assert found["labels"]["v"] == {name: found[name] for name in ("spans", "precision", "recall", "f1")}
    table = charrnn("tag", "model.safetensors", "--evaluate", "corpus.txt", cwd=folder).stdout
    assert "all spans" in table
    assert f"{found['f1']:.4f}" in table


@pytest.mark.parametrize(
    ("args", "text", "code", "message"),
    [
        (("--evaluate",), "Ayr\tv..\nAyr\n", 1, "line 2 is not a text, a tab and its tags"),
        (("--evaluate",), "Ayr\tv.\n", 1, "line 1 has 2 tags for 3 characters"),
        (("--evaluate",), "", 1, "no lines to evaluate"),
        (("--evaluate", "--spans"), "", 2, "--spans"),
        (("--unknown", "error"), "Ayr☃\nAyr\n", 1, "line 1: the model has never seen '☃'"),
        (("--unknown", "nearest"), "Ayr\n", 2, "unknown"),
    ],
)
def test_what_can_not_be_tagged_is_one_line(
    args: tuple[object, ...], text: str, code: int, message: str, folder: Path
) -> None:
    assert message in error_line(charrnn("tag", "model.safetensors", *args, cwd=folder, input=text), code)


def test_a_run_shows_texts_with_their_tags(tmp_path: Path) -> None:
    done = charrnn("sample", "model.safetensors", cwd=tmp_path)
    assert done.returncode == 1
    (tmp_path / "texts.tsv").write_text(TEXTS, encoding="utf-8")
    options = ("--hidden-size", 12, "--steps", 3, "--sample-every", 3, "--engine", "numpy", "--seed", 1)
    done = charrnn("train", "texts.tsv", "--tags", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "600 texts" in done.stderr
    assert "2 tags" in done.stderr
    assert "outside of spans: '.'\n" in done.stderr
    assert "bits per tag" in done.stderr
    assert "\nsample at step 3:\n    " in done.stderr
    assert done.stderr.rstrip().endswith("try charrnn tag")


def test_it_resumes_byte_for_byte(tmp_path: Path) -> None:
    train_model(tmp_path, TEXTS, "--tags", steps=12)
    whole = (tmp_path / "model.safetensors").read_bytes()
    train_model(tmp_path, TEXTS, "--tags", "--force", steps=5)
    done = charrnn("train", "--resume", "--out", "model.safetensors", "--steps", 12, cwd=tmp_path, new=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == whole


# Words, in the form of CoNLL

SENTENCES = """John NNP B-PER
Smith NNP I-PER
left VBD O
New NNP B-LOC
York NNP I-LOC

Anna NNP B-PER
Bob NNP B-PER
lives VBZ O
here RB O

"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tagger that has learned the tags of some words."""
    folder = tmp_path_factory.mktemp("words")
    options = ("--tags", "--conll", "--lr", 0.02, "--batch-size", 10, "--hidden-size", 24, "--seq-length", 40)
    train_model(folder, "-DOCSTART- -X- O\n\n" + SENTENCES * 60, *options, steps=150)
    (folder / "s.conll").write_text(SENTENCES)
    return folder


def tagged_words() -> str:
    """The sentences with a tab between each word and its tag, as they are printed."""
    return "".join("\t".join(line.split(" ")[::2]) + "\n" for line in SENTENCES.split("\n")[:-1])


def test_words_are_printed_with_their_tags(words: Path) -> None:
    args = ("tag", "model.safetensors", "--conll", "--quiet")
    column = "".join(line.split(" ")[0] + "\n" for line in SENTENCES.split("\n"))
    for text in (column, "John Smith left New York\nAnna Bob lives here\n", tagged_words(), SENTENCES):
        assert charrnn(*args, cwd=words, input=text).stdout == tagged_words()
    (first, _) = map(json.loads, charrnn(*args, "--json", cwd=words, input=column).stdout.splitlines())
    assert first == {
        "words": ["John", "Smith", "left", "New", "York"],
        "tags": ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"],
    }


def test_the_letters_of_long_tags_are_explained(words: Path) -> None:
    done = charrnn("tag", "model.safetensors", cwd=words, input="John Smith left New York\n")
    assert done.stdout == "John Smith left New York\tPPPPPPPPPP......LLLLLLLL\n"
    assert "tags: L is LOC, P is PER, . is O" in done.stderr
    done = charrnn("tag", "model.safetensors", "--spans", "--quiet", cwd=words, input="Anna Bob lives here\n")
    assert done.stdout == "1\t0\t4\tPER\tAnna\n1\t5\t8\tPER\tBob\n"


def test_words_are_evaluated(words: Path) -> None:
    args = ("tag", "model.safetensors", "--conll", "--evaluate", "--quiet")
    wrong = SENTENCES.replace("Bob NNP B-PER", "Bob NNP I-PER")  # one entity, where two are found
    found = json.loads(charrnn(*args, "--json", cwd=words, input=SENTENCES + wrong).stdout)
    assert (found["sentences"], found["word_accuracy"]) == (4, pytest.approx(17 / 18, abs=1e-6))
    assert (found["spans"], found["precision"], found["recall"]) == (
        7,
        pytest.approx(0.75),
        pytest.approx(6 / 7, abs=1e-6),
    )
    assert found["labels"]["LOC"]["f1"] == 1
    shown = charrnn(*args, cwd=words, input=SENTENCES).stdout
    assert "word accuracy    1.0000" in shown
    own = charrnn("tag", "model.safetensors", "--conll", "--quiet", cwd=words, input="Anna left New York\n").stdout
    assert json.loads(charrnn(*args, "--json", cwd=words, input=own).stdout)["f1"] == 1


def test_tags_that_the_model_does_not_have_are_counted(words: Path) -> None:
    args = ("tag", "model.safetensors", "--evaluate")
    done = charrnn(*args, "--conll", cwd=words, input=SENTENCES.replace("B-LOC", "S-ORG").replace("B-PER", "X"))
    assert "words whose tag the model has never seen: 4; each counts as wrong\n" in done.stderr
    done = charrnn(*args, cwd=words, input="Anna left\tPPPP.....\nAnna left\tNNNN.ABBB\n")
    assert "characters whose tag the model has never seen: 8; each counts as wrong\n" in done.stderr
    for text in (SENTENCES, SENTENCES.replace("B-", "S-")):
        assert "never seen" not in charrnn(*args, "--conll", cwd=words, input=text).stderr


def test_a_row_without_a_tag_is_told(words: Path) -> None:
    done = charrnn("tag", "model.safetensors", "--conll", cwd=words, input="John B-PER\nSmith\nleft O\n")
    assert done.stdout == "John\tB-PER\nSmith\tI-PER\nleft\tO\n\n"
    assert "line 2 of stdin is not a row like the line before it: it is read as the word 'Smith'" in done.stderr
    assert "line" not in charrnn("tag", "model.safetensors", "--conll", cwd=words, input=SENTENCES).stderr


def test_sentences_with_bad_lines_are_skipped_and_counted(words: Path) -> None:
    args = ("tag", "model.safetensors", "--conll", "--evaluate", "--skip-bad")
    done = charrnn(*args, "--json", cwd=words, input="Ann\n\n" + SENTENCES + "Bob O\nB-\nCy O\n")
    assert (json.loads(done.stdout)["sentences"], json.loads(done.stdout)["f1"]) == (2, 1)
    assert "sentences with bad lines that were skipped: 2" in done.stderr
    assert "skipped" not in charrnn(*args, cwd=words, input=SENTENCES).stderr


def test_words_may_have_tags_of_one_letter(tmp_path: Path) -> None:
    text = "dog N\nruns V\n\ncat N\nsits V\n\n"
    options = ("--tags", "--conll", "--lr", 0.02, "--hidden-size", 24)
    train_model(tmp_path, text * 30, *options, steps=60)
    args = ("tag", "model.safetensors", "--conll", "--quiet")
    assert charrnn(*args, cwd=tmp_path, input="dog\nruns\n\ncat\nsits\n").stdout == text.replace(" ", "\t")
    found = json.loads(charrnn(*args, "--evaluate", "--json", cwd=tmp_path, input=text).stdout)
    assert (found["word_accuracy"], found["spans"], found["f1"]) == (1, 4, 1)
    assert charrnn("tag", "model.safetensors", cwd=tmp_path, input="dog runs\n").stdout == "dog runs\tNNN.VVVV\n"


@posix
def test_a_sentence_is_answered_as_soon_as_it_is_complete(words: Path) -> None:
    with started("tag", "model.safetensors", "--conll", "--quiet", cwd=words) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for sentence in ("John\nSmith\n\n", "Anna left\n"):
            run.stdin.write(sentence.encode())
            n = len(sentence.split())
            answer = [run.stdout.readline().decode() for _ in range(n + 1)]
            assert [line.split("\t")[0] for line in answer[:-1]] == sentence.split()
            assert answer[-1] == "\n"
        run.stdin.close()
        assert run.wait(20) == 0


@pytest.mark.parametrize(
    ("args", "text", "code", "message"),
    [
        (("--evaluate",), "Ann O\n\nBob\n", 1, "line 3 of stdin has the word 'Bob' without a tag"),
        (("--evaluate",), "Ann B-\n", 1, "line 1 of stdin has the tag 'B-', which names no type"),
        (("--evaluate",), "-DOCSTART- O\n\n", 1, "no lines to evaluate"),
        (("--spans",), "", 2, "leave out --spans"),
        (("--skip-bad",), "", 2, "add --evaluate and --conll"),
    ],
)
def test_words_that_can_not_be_tagged_are_one_line(
    args: tuple[object, ...], text: str, code: int, message: str, words: Path
) -> None:
    done = charrnn("tag", "model.safetensors", "--conll", *args, cwd=words, input=text)
    assert message in error_line(done, code)


def test_a_run_on_words_skips_bad_sentences_and_resumes_byte_for_byte(tmp_path: Path) -> None:
    text = "Zzz\n\n" + SENTENCES * 20 + "Qqq O\nB-\n"
    train_model(tmp_path, text, "--tags", "--conll", "--skip-bad", steps=12)
    whole = (tmp_path / "model.safetensors").read_bytes()
    train_model(tmp_path, text, "--tags", "--conll", "--skip-bad", "--force", steps=5)
    again = ("--steps", 12, "--tags", "--conll", "--skip-bad")
    done = charrnn("train", "--resume", "--out", "model.safetensors", *again, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sentences with bad lines that were skipped: 2" in done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == whole
    vocabulary = json.loads(charrnn("inspect", "model.safetensors", "--json", cwd=tmp_path).stdout)["vocabulary"]
    assert not {"Z", "z", "Q", "q", "-", "\ue000"} & {*vocabulary["characters"]}
    shown = charrnn("inspect", "model.safetensors", cwd=tmp_path).stdout
    assert "I-LOC (" in shown
