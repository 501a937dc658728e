"""`charrnn train`: what it validates on, which characters it learns, and what it says about both."""

import gzip
import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import charrnn as api
from charrnn.checkpoint import training_file
from support.checkpoints import parts_of
from support.processes import OPENING, SMALL, TEXT, charrnn, error_line
from support.trainings import TEXTS, place_names, spelled_backwards, with_length, with_vowels

OTHER = "".join(reversed(OPENING.splitlines(keepends=True))) + "Jane é\n"
LAYOUTS = {
    "--lines": place_names,
    "--pairs --no-attention": lambda *span: spelled_backwards(place_names(*span)),
    "--pairs": lambda *span: spelled_backwards(place_names(*span)),
    "--classify": lambda *span: with_length(place_names(*span)),
    "--tags": lambda *span: with_vowels(place_names(*span)),
    "--bytes": place_names,
}
"""The options of each other layout, and what makes a text for it of some place names."""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a corpus and another text."""
    for name, text in (("corpus.txt", TEXT), ("other.txt", OTHER)):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return tmp_path


def train(*args: object, cwd: Path, **options: object) -> CompletedProcess[str]:
    """Runs a small training of few steps, which must succeed."""
    length = () if {"--steps", "--time"} & {*args} else ("--steps", 5)
    done = charrnn("train", *args, *(() if "--resume" in args else SMALL), *length, cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    return done


def files(folder: Path, name: str) -> list[bytes]:
    """The two files of a model."""
    return [(folder / f"{name}{part}.safetensors").read_bytes() for part in ("", ".resume")]


# A text of its own


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_copy_of_the_corpus_is_refused_and_one_with_most_of_its_lines_is_told(layout: str, tmp_path: Path) -> None:
    text = LAYOUTS[layout](0, 200)
    lines = text.splitlines(keepends=True)
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "b.txt").write_text(text, encoding="utf-8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ["b.txt", *["b.txt.gz"] * (layout != "--bytes")]:
        done = charrnn("train", "a.txt", *layout.split(), *SMALL, "--steps", 1, "--val-file", name, cwd=tmp_path)
        assert f"{name} has the same text as the corpus: give --val-file a text that" in error_line(done, 2)
    other = LAYOUTS[layout](200, 260).splitlines(keepends=True)
    new = [line for line in dict.fromkeys(other) if line not in lines]
    for n, is_told in ((len(new) + 1, True), (len(new) - 1, False)):
        chosen = [*dict.fromkeys(lines)][:n]
        (tmp_path / "b.txt").write_text("".join(new + chosen), encoding="utf-8")
        options = ("--val-file", "b.txt", "--out", "m.safetensors", "--force")
        done = train("a.txt", *layout.split(), *options, cwd=tmp_path)
        told = f" of b.txt that are learned too: {n:,} of {len(new) + n:,}, so that the validation loss says little"
        assert (told in done.stderr) == (is_told and layout != "--bytes")
        assert ("learned too" in done.stderr) == (is_told and layout != "--bytes")


def test_the_validation_loss_is_the_score_of_the_file_and_all_of_the_corpus_is_learned(here: Path) -> None:
    done = train("corpus.txt", "--val-file", "other.txt", "--json", "--out", "m.safetensors", cwd=here)
    lines = done.stderr.splitlines()
    assert lines[0] == f"corpus.txt: {len(TEXT):,} characters, {len(set(TEXT + OTHER))} distinct"
    assert lines[1] == f"trains on all of it, validates on the {len(OTHER)} characters of other.txt"
    share = f"{100 * 2 / len(OTHER):.2g}%"
    assert lines[2] == f"characters that only the held-out text has, so that they are never learned: 2, {share} of it"
    model = api.load(here / "m.safetensors")
    score = api.score(model.model, OTHER)
    assert score.nats_per_char == pytest.approx(json.loads(done.stdout)["val_loss"], rel=1e-5)
    assert model.corpus is not None
    assert (model.corpus.training_chars, model.corpus.validation_chars) == (len(TEXT), len(OTHER))
    assert (model.corpus.val_name, model.corpus.val_size) == ("other.txt", len(OTHER.encode()))
    inspected = json.loads(charrnn("inspect", "m.safetensors", "--json", cwd=here).stdout)
    assert inspected["corpus"]["val_name"] == "other.txt"


def test_labels_that_only_the_file_has_are_named(here: Path) -> None:
    (here / "a.tsv").write_text("aa\tx\nbb\ty\n" * 20)
    (here / "b.tsv").write_text("aa\tx\nbb\tz\n" * 20)
    done = train("a.tsv", "--classify", "--val-file", "b.tsv", "--out", "m.safetensors", cwd=here)
    assert "labels that only the held-out text has, so that they are never learned: 'z'" in done.stderr.splitlines()


def test_files_without_these_options_are_as_before(here: Path) -> None:
    train("corpus.txt", "--out", "m.safetensors", cwd=here)
    for name in ("m", "m.resume"):
        _, metadata = parts_of(here / f"{name}.safetensors")
        for word in ("val_file", "val_paths", "val_name", "val_digest", "val_spread", "min_count"):
            assert not any(word in value for value in metadata.values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_validates_on_files_and_folders_and_resumes_byte_for_byte(layout: str, tmp_path: Path) -> None:
    make, options = LAYOUTS[layout], layout.split()
    (tmp_path / "more").mkdir()
    for name, span in (("corpus", (1000, 1500)), ("a", (3000, 3030)), ("more/b", (4000, 4020))):
        (tmp_path / name).write_text(make(*span), encoding="utf-8")
    given = ("corpus", *options, "--val-file", "a", "--val-file", "more", "--eval-every", 3)
    done = train(*given, "--steps", 9, "--out", "whole.safetensors", cwd=tmp_path)
    n = len((make(3000, 3030) + make(4000, 4020)).encode()) if layout == "--bytes" else 50
    assert f"validates on the {n}" in done.stderr
    assert "of a and 1 more" in done.stderr
    train(*given, "--steps", 4, "--out", "parts.safetensors", cwd=tmp_path)
    train("--resume", "--steps", 9, "--out", "parts.safetensors", cwd=tmp_path)
    assert files(tmp_path, "parts") == files(tmp_path, "whole")


def test_a_run_resumes_only_with_the_same_text_wherever_it_is(here: Path) -> None:
    train("corpus.txt", "--val-file", "other.txt", "--out", "m.safetensors", cwd=here)
    resume = ("train", "--resume", "--steps", 7, "--out", "m.safetensors")
    before = files(here, "m")
    (here / "other.txt").rename(here / "moved.txt")
    assert "other.txt, which is no longer a file: give the text with --val-file" in error_line(
        charrnn(*resume, cwd=here), 1
    )
    (here / "other.txt").write_text(OTHER.replace("truth", "trout"))
    for more in ((), ("--val-file", "other.txt")):
        assert "is not other.txt, with which this run began" in error_line(charrnn(*resume, *more, cwd=here), 1)
    assert files(here, "m") == before
    train(*resume[1:], "--val-file", "moved.txt", cwd=here)
    source = training_file.load_state(here / "m.resume.safetensors").source
    assert source is not None
    assert source.val_paths == (str(here / "moved.txt"),)
    train("--resume", "--steps", 8, "--out", "m.safetensors", cwd=here)


def test_an_option_on_the_command_line_overrules_others_in_the_environment(here: Path) -> None:
    for typed, env, says in (
        (
            ("--val-file", "other.txt"),
            {"CHARRNN_TRAIN_VAL_FRACTION": "0.2", "CHARRNN_TRAIN_VAL_SPREAD": "1"},
            "other.txt",
        ),
        (("--val-fraction", 0.2), {"CHARRNN_TRAIN_VAL_FILE": "other.txt"}, f"validates on the last {len(TEXT) // 5}"),
        (("--lines",), {"CHARRNN_TRAIN_VAL_SPREAD": "1"}, "16 lines"),
        (("--pairs",), {"CHARRNN_TRAIN_VAL_SPREAD": "1", "CHARRNN_TRAIN_MIN_COUNT": "2"}, "chosen at random"),
    ):
        (here / "pairs.txt").write_text(spelled_backwards(place_names(0, 200)))
        done = train("pairs.txt" if "--pairs" in typed else "corpus.txt", *typed, cwd=here, env=env)
        assert says in done.stderr


# Blocks from all over the text


def test_blocks_are_held_out_and_a_run_resumes_byte_for_byte(here: Path) -> None:
    given = ("corpus.txt", "--val-spread", "--val-fraction", 0.3, "--eval-every", 4, "--dropout", 0.2)
    done = train(*given, "--steps", 20, "--out", "whole.safetensors", cwd=here)
    assert "trains on 1,064, validates on 452: 4 blocks of 113 from all over the text" in done.stderr
    train(*given, "--steps", 7, "--out", "parts.safetensors", cwd=here)
    train("--resume", "--steps", 20, "--out", "parts.safetensors", cwd=here)
    assert files(here, "parts") == files(here, "whole")
    train(*given, "--steps", 20, "--out", "again.safetensors", cwd=here, new=True)
    assert files(here, "again") == files(here, "whole")


def test_a_tail_of_another_kind_is_told_before_and_after_the_run(tmp_path: Path) -> None:
    text = TEXT * 10
    (tmp_path / "corpus.txt").write_text(text + TEXT.upper())
    options = ("corpus.txt", "--steps", 60, "--eval-every", 20, "--lr", 0.02)
    done = train(*options, cwd=tmp_path)
    assert "the last 1,667 are of another kind than the rest" in done.stderr
    assert "the validation text is of another kind than the training text" in done.stderr.splitlines()[-2]
    done = train(*options, "--val-spread", cwd=tmp_path)
    assert "of another kind" not in done.stderr
    (tmp_path / "corpus.txt").write_text(text)
    assert "of another kind" not in train("corpus.txt", cwd=tmp_path).stderr


# Rare characters


def test_characters_that_are_left_out_are_unknown_to_the_model(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("“ÉÉ” ☃ " + TEXT, encoding="utf-8")
    given = ("corpus.txt", "--min-count", 3, "--eval-every", 4)
    done = train(*given, "--steps", 9, "--out", "whole.safetensors", cwd=tmp_path)
    assert "occur less than 3 times are replaced by similar ones or left out: " in done.stderr
    checkpoint = api.load(tmp_path / "whole.safetensors")
    assert checkpoint.training is not None
    assert checkpoint.training.min_count == 3
    assert set(checkpoint.model.vocabulary.characters) == set(TEXT)
    line = error_line(charrnn("score", "whole.safetensors", "corpus.txt", cwd=tmp_path), 1)
    assert "never seen 'É' (U+00C9" in line
    done = charrnn("score", "whole.safetensors", "corpus.txt", "--unknown", "skip", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["unknown"] == 5
    train(*given, "--steps", 4, "--out", "parts.safetensors", cwd=tmp_path)
    done = train("--resume", "--steps", 9, "--out", "parts.safetensors", cwd=tmp_path)
    assert "occur less than 3 times" in done.stderr
    assert files(tmp_path, "parts") == files(tmp_path, "whole")


def test_the_command_that_repeats_a_run_has_what_was_chosen_and_what_was_given(here: Path) -> None:
    rare = "".join(map(chr, range(0x4E00, 0x4E00 + 1200)))
    (here / "rare.txt").write_text(rare + "\n" + TEXT * 60, encoding="utf-8")
    given = ("rare.txt", "--val-file", "other.txt", "--sample-every", 0)
    done = train(*given, "--time", "1s", "--out", "a.safetensors", cwd=here)
    assert "occur less than 2 times are replaced by similar ones or left out: 1,2" in done.stderr
    assert "--min-count 0 keeps them" in done.stderr
    (repeat,) = (line for line in done.stderr.splitlines() if line.startswith("to repeat these steps"))
    command = repeat.partition("charrnn train ")[2].split()
    assert "--val-file=other.txt" in command
    assert command[command.index("--min-count") + 1] == "2"
    done = charrnn("train", *command, "--out", "b.safetensors", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "--min-count 0" not in done.stderr
    a, b = (api.load(here / f"{name}.safetensors").model.params for name in "ab")
    assert {name: p.tobytes() for name, p in a.items()} == {name: p.tobytes() for name, p in b.items()}
    done = train("rare.txt", "--steps", 2, cwd=here)
    assert "most characters are rare" in done.stderr
    assert "--min-count 2 replaces them" in done.stderr


# Dropout


@pytest.mark.parametrize(("option", "explains"), [("--dropout", 1), ("--drop-connect", 1), ("--lr", 0)])
def test_the_first_training_loss_that_is_higher_says_that_dropout_is_in_it(
    option: str, explains: int, here: Path
) -> None:
    done = train("corpus.txt", option, 0.2, "--steps", 12, "--eval-every", 3, "--lr", 0.02, cwd=here)
    rows = [line for line in done.stderr.splitlines() if line.startswith("step ")]
    assert len(rows) == 4
    assert sum(" steps, with dropout, which is off in validation), validation loss" in row for row in rows) == explains


@pytest.mark.parametrize("layout", ["lines", "pairs", "classify", "tags"])
@pytest.mark.parametrize("dropout", [0, 0.5])
def test_dropout_is_named_in_every_form_where_it_is_and_nowhere_else(layout: str, dropout: float, here: Path) -> None:
    text = {"lines": "lines", "pairs": "translations", "classify": "labels", "tags": "tags"}[layout]
    (here / "texts.txt").write_text(TEXTS[text])
    options = (f"--{layout}", "--dropout", dropout, "--drop-connect", dropout, "--lr", 0.01)
    done = train("texts.txt", *options, "--steps", 8, "--eval-every", 4, cwd=here)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stderr.splitlines() if line.startswith("step ")]
    expected = re.compile(r"step 4/8, .* \(the mean of 4 steps, with dropout, which is off in validation\), validation")
    assert [bool(expected.match(row)) for row in rows] == [dropout > 0, False]


# Far too little text


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("abcd efg", (), "8 characters"),
        ("Á" * 200, ("--bytes",), "400 bytes"),
        (OPENING[:330], ("--cell", "gru"), "330 characters"),
        (place_names(0, 15), ("--lines",), "15 lines"),
        (spelled_backwards(place_names(0, 9)), ("--pairs",), "9 pairs"),
        (with_length(place_names(2000, 2018)), ("--classify",), "18 texts"),
        (with_vowels(place_names(0, 5)), ("--tags",), "5 texts"),
        ("one\n\ntwo\n\nthree\n", ("--records-by", ""), "3 records"),
        (TEXT, (), ""),
        (place_names(0, 60), ("--lines",), ""),
    ],
)
def test_a_text_from_which_nothing_can_be_learned_is_told_to_be_one(
    text: str, options: tuple[str, ...], told: str, here: Path
) -> None:
    (here / "small.txt").write_text(text)
    done = train("small.txt", *options, "--steps", 1, cwd=here)
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stderr.splitlines() if line.startswith("far too small: ")]
    assert len(found) == bool(told)
    for line in found:
        assert line.startswith(f"far too small: {told} to learn from teach nothing")
        assert line.endswith("1,000 or more work best" if told.split()[1] in UNITS else "100,000 or more work best")


UNITS = ("lines", "pairs", "texts", "records")
