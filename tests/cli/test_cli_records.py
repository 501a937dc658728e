"""Records as texts of their own: every source of them, in `train`, `sample`, `score` and `inspect`."""

import csv
import json
import shutil
from itertools import cycle, islice
from pathlib import Path

import pytest

import charrnn as api
from charrnn.checkpoint import model_file, training_file
from charrnn.checkpoint.paths import resume_path
from charrnn.cli.inspect import target
from charrnn.cli.sample.samples import SampleFiles
from charrnn.cli.train import announcement
from charrnn.dataset import files
from charrnn.dataset.corpus import from_text
from charrnn.dataset.record_form import RecordForm
from charrnn.errors import CheckpointError
from charrnn.sampling.generate import samples
from support.processes import SMALL, charrnn, error_line
from support.random_models import random_model

CARDS = [
    f"Card {n}: {word}\n{'- ' + word[::-1]}\n\twith a tab"
    for n, word in enumerate(islice(cycle(["salt", "pepper", "egg, flour", 'a "quoted" word', "milk"]), 40))
]
SOURCES = {
    "blank.txt": ("--records-by", ""),
    "percent.txt": ("--records-by", r"\n%\n"),
    "cards": ("--documents",),
    "cards.csv": ("--csv", "text"),
    "cards.jsonl": ("--jsonl", "text"),
}


def write_cards(folder: Path) -> None:
    """The cards in each form, the same after each."""
    (folder / "blank.txt").write_text("\n" + "\n\n \n".join(CARDS) + "\n\n\n", encoding="utf-8")
    (folder / "percent.txt").write_text("\n%\n".join(CARDS) + "\n%\n", encoding="utf-8")
    with (folder / "cards.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["n", "text"], *((n, card) for n, card in enumerate(CARDS))])
    (folder / "cards.jsonl").write_text("".join(json.dumps({"text": card}) + "\n" for card in CARDS), encoding="utf-8")
    (folder / "cards").mkdir()
    for n, card in enumerate(CARDS):
        (folder / "cards" / f"{n:02}.txt").write_text(card, encoding="utf-8")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the cards in each form, and a model for each form."""
    folder = tmp_path_factory.mktemp("records")
    write_cards(folder)
    for name, form in SOURCES.items():
        train(name, *form, "--out", f"{name}.safetensors", "--quiet", cwd=folder)
    return folder


def train(*args: object, cwd: Path) -> str:
    """What a small training prints on stderr; it must succeed."""
    done = charrnn("train", *args, *SMALL, *(() if "--steps" in args else ("--steps", 12)), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stderr


def output(*args: object, cwd: Path) -> str:
    """What a command prints on stdout; it must succeed."""
    done = charrnn(*args, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The same records from every source


def test_every_source_gives_the_same_weights_and_its_own_rule(here: Path) -> None:
    found = {name: model_file.load(here / f"{name}.safetensors").model for name in SOURCES}
    for model in found.values():
        assert (model.layout, model.end) == ("lines", "\x1e")
        assert {*model.vocabulary.characters} == {*"".join(CARDS), "\x1e"}
        assert all((model.params[name] == p).all() for name, p in found["blank.txt"].params.items())
    assert {form.kind for form in (model.record_form for model in found.values())} == {
        "blank", "text", "documents", "csv", "jsonl"
    }  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_score_reads_what_train_has_read(name: str, here: Path) -> None:
    rows = [
        json.loads(row)
        for row in output("score", f"{name}.safetensors", name, "--per-line", "--json", cwd=here).splitlines()
    ]
    assert [row["line"] for row in rows] == CARDS
    whole = json.loads(output("score", f"{name}.safetensors", name, "--json", cwd=here))
    assert whole["chars"] == sum(row["chars"] for row in rows) == sum(len(card) + 1 for card in CARDS)
    nats = sum(row["nats_per_char"] * row["chars"] for row in rows)
    assert whole["nats_per_char"] * whole["chars"] == pytest.approx(nats)
    state = training_file.load_state(resume_path(here / f"{name}.safetensors"))
    assert state.corpus.training_lines + state.corpus.validation_lines == len(rows)


@pytest.mark.parametrize("name", SOURCES)
def test_a_model_scores_records_in_any_form(name: str, here: Path) -> None:
    given = ("--records-by", "%") if name == "percent.txt" else SOURCES[name]
    scores = {
        output("score", "cards.safetensors", source, *form, "--per-line", cwd=here)
        for source, form in (("cards", ()), (name, given))
    }
    assert len(scores) == 1
    (rows,) = scores
    assert len(rows.splitlines()) == len(CARDS)
    assert r"\n- " in rows


def test_the_records_of_a_score_are_read_again_by_the_same_rule(here: Path) -> None:
    for name in ("blank.txt", "percent.txt"):
        printed = output("score", f"{name}.safetensors", name, "--above", 0, cwd=here)
        (here / f"again-{name}").write_text(printed, encoding="utf-8")
        again = output("score", f"{name}.safetensors", f"again-{name}", "--above", 0, cwd=here)
        assert again == printed


def test_lines_can_be_scored_as_records(here: Path) -> None:
    rows = output(
        "score",
        "cards.safetensors",
        "--records-by",
        r"\n",
        "--json",
        "--per-line",
        "percent.txt",
        "--unknown",
        "skip",
        cwd=here,
    )
    assert [json.loads(row)["line"] for row in rows.splitlines()] == [*"\n%\n".join(CARDS).split("\n"), "%"]


# A run


@pytest.mark.parametrize("name", SOURCES)
def test_a_resumed_run_equals_an_uninterrupted_one_byte_for_byte(name: str, here: Path, tmp_path: Path) -> None:
    for kind in (".safetensors", ".resume.safetensors"):
        shutil.copy(here / f"{name}{kind}", tmp_path / f"half{kind}")
    train("--resume", "--steps", 20, "--out", tmp_path / "half.safetensors", cwd=here)
    train(name, *SOURCES[name], "--steps", 20, "--out", tmp_path / "whole.safetensors", cwd=here)
    half, whole = (model_file.load(tmp_path / f"{n}.safetensors").model for n in ("half", "whole"))
    assert half.record_form == whole.record_form
    assert all((half.params[key] == p).all() for key, p in whole.params.items())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--lines",), "leave out --lines"),
        (("--documents",), "leave out --documents"),
        (("--csv", "other"), "leave out --csv"),
        (("--pairs",), "this run began with --records-by: leave out --pairs"),
    ],
)
def test_a_resumed_run_can_not_change_its_records(given: tuple[str, ...], why: str, here: Path) -> None:
    done = charrnn("train", "--resume", "--out", "blank.txt.safetensors", "--steps", 30, *given, cwd=here)
    assert why in error_line(done, 2)


def test_the_notices_count_records_and_the_command_repeats_the_run(here: Path, tmp_path: Path) -> None:
    said = train("cards", "--documents", "--out", tmp_path / "a.safetensors", cwd=here)
    assert f"cards: 40 documents, {sum(map(len, CARDS)) + 40:,} characters" in said
    assert "trains on 36 of the documents, validates on the other 4, chosen at random" in said
    said = train("percent.txt", "--records-by", r"\n%\n", "--out", tmp_path / "b.safetensors", "--steps", 2, cwd=here)
    assert "40 records" in said


def test_long_records_that_are_too_few_to_hold_any_out_are_not_called_short() -> None:
    corpus = from_text("\n\n".join(["salt and pepper " * 99] * 3), record_form=RecordForm("blank"))
    trainer = api.train(corpus, layout="lines", steps=1, hidden_size=4, engine="numpy")
    (line,) = [line for line in announcement.lines(trainer, Path("m.safetensors"), False, False) if "hold" in line]
    assert line == "too few records to hold some out for validation: trains on all of them and keeps the last weights"


def test_a_run_can_start_from_a_model_of_records(here: Path, tmp_path: Path) -> None:
    train(
        "cards.csv", "--csv", "text", "--init-from", "cards.safetensors", "--out", tmp_path / "a.safetensors", cwd=here
    )
    model = model_file.load(tmp_path / "a.safetensors").model
    assert (model.record_form.kind, model.end) == ("csv", "\x1e")


@pytest.mark.parametrize(
    ("variables", "given", "kind"),
    [
        ({"RECORDS_BY": "%"}, (), "text"),
        ({"DOCUMENTS": "1"}, ("--records-by", "%"), "text"),
        ({"PAIRS": "1", "SKIP_BAD": "1", "CSV": "a,b"}, ("--records-by", "%"), "text"),
        ({"LINES": "1"}, ("--records-by", "%"), "text"),
        ({"RECORDS_BY": "%", "CSV": "text"}, ("--lines",), "lines"),
    ],
)
def test_the_command_line_counts_before_the_environment(
    variables: dict[str, str], given: tuple[str, ...], kind: str, here: Path, tmp_path: Path
) -> None:
    env = {f"CHARRNN_TRAIN_{name}": value for name, value in variables.items()}
    options = (*SMALL, "--steps", 1, "--out", tmp_path / "a.safetensors")
    done = charrnn("train", "percent.txt", *given, *options, cwd=here, env=env)
    assert done.returncode == 0, done.stderr
    assert model_file.load(tmp_path / "a.safetensors").model.record_form.kind == kind


# Samples


def drawn(here: Path, count: int) -> list[str]:
    """The records that the library draws."""
    model = api.load(here / "percent.txt.safetensors").model
    return [sample.text for sample in api.sample_lines(model, count=count, length=30, seed=4)]


def test_samples_are_printed_with_what_is_between_them(here: Path) -> None:
    args = ("sample", "percent.txt.safetensors", "--count", 5, "--length", 30, "--seed", 4, "--raw-text")
    wanted = drawn(here, 5)
    assert any("\n" in text for text in wanted)
    assert output(*args, cwd=here) == "".join((text if text[-1:] == "\n" else text + "\n") + "%\n" for text in wanted)
    assert output(*args, "--separator", r"\n=\t=\u000a", cwd=here) == "".join(f"{text}\n=\t=\n" for text in wanted)
    for null in ("-0", "--null"):
        assert output(*args, null, cwd=here) == "".join(f"{text}\0" for text in wanted)
    rows = output(*args, "--json", cwd=here).splitlines()
    assert [json.loads(row)["text"] for row in rows] == wanted
    assert output("sample", "blank.txt.safetensors", *args[2:], cwd=here).count("\n\n") >= 5


def test_samples_are_written_to_files_and_none_is_overwritten(here: Path, tmp_path: Path) -> None:
    args = ("sample", "percent.txt.safetensors", "--count", 12, "--length", 30, "--seed", 4, "--out-dir")
    assert output(*args, tmp_path / "new" / "cards", cwd=here) == ""
    paths = sorted((tmp_path / "new" / "cards").iterdir())
    assert [path.name for path in paths] == [f"{n:02}.txt" for n in range(1, 13)]
    assert [path.read_bytes().decode() for path in paths] == [
        text if text[-1:] == "\n" else text + "\n" for text in drawn(here, 12)
    ]
    for path in paths[:11]:
        path.unlink()
    paths[11].write_text("mine", encoding="utf-8")
    done = charrnn(*args, tmp_path / "new" / "cards", cwd=here)
    assert f"{paths[11]} exists: overwrite it with --force" in done.stderr
    assert done.returncode == 1
    assert not paths[0].exists(), "nothing is written"
    assert output(*args, tmp_path / "new" / "cards", "--force", cwd=here) == ""
    assert paths[11].read_text(encoding="utf-8") != "mine"
    assert "is not a folder" in error_line(charrnn(*args, here / "blank.txt", "--quiet", cwd=here), 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.txt").symlink_to("/dev/full")
    written = SampleFiles(random_model(), tmp_path, 1, force=True)
    with pytest.raises(CheckpointError, match=r"can't write .*1\.txt: No space left"):
        written.write(samples(random_model(), count=1, length=9))


def test_novel_and_unique_work_for_records(here: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("a\nb\n\nb\na\n", encoding="utf-8")
    options = ("--lr", 0.02, "--hidden-size", 24, "--steps", 250, "--out", "two.safetensors", "--quiet")
    train("two.txt", "--records-by", "", *options, cwd=tmp_path)
    args = ("sample", "two.safetensors", "--seed", 1, "--temp", 0.3, "--quiet")
    assert {*output(*args, "--count", 20, cwd=tmp_path).strip().split("\n\n")} == {"a\nb", "b\na"}
    assert sorted(output(*args, "--unique", "--count", 2, cwd=tmp_path).strip().split("\n\n")) == ["a\nb", "b\na"]
    done = charrnn(*args, "--novel", "--temp", 0, cwd=tmp_path)
    assert "the model writes no more new records" in done.stderr
    assert output(*args, "--prime", "b\n", cwd=tmp_path) == "b\na\n\n"


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ("--separator a --null", "--separator and --null can't both be given"),
        ("--separator a --json", "--json and --separator can't both be given"),
        ("--out-dir new -0", "--out-dir and --null can't both be given"),
        ("--out-dir new --json", "--out-dir and --json can't both be given"),
        ("--out-dir new --interactive", "--interactive and --out-dir can't both be given"),
        (r"--separator \q", "has the unknown escape"),
        ("--state-out a.state", "a record is never continued"),
        ("--prime a\x1eb", "the prime has several records: give the beginning of one record"),
    ],
)
def test_wrong_usage_prints_one_line(args: str, why: str, here: Path) -> None:
    assert why in error_line(charrnn("sample", "blank.txt.safetensors", "--quiet", *args.split(" "), cwd=here), 2)
    assert not (here / "new").exists()


def test_a_score_refuses_what_does_not_fit(here: Path, tmp_path: Path) -> None:
    train("blank.txt", "--lines", "--out", tmp_path / "lines.safetensors", "--quiet", cwd=here)
    done = charrnn("score", tmp_path / "lines.safetensors", "cards.csv", "--csv", "text", cwd=here)
    assert "--csv is for a model of records, and this one reads lines" in error_line(done, 2)
    done = charrnn("score", "cards.safetensors", "cards.csv", "--csv", "a,b", cwd=here)
    assert "--csv is the name of one column" in error_line(done, 2)
    done = charrnn("score", "cards.safetensors", "cards.csv", "--heatmap", "--quiet", cwd=here)
    assert "this model reads records: give --per-line" in error_line(done, 2)
    done = charrnn("score", "cards.safetensors", "--per-line", "--documents", "--quiet", cwd=here)
    assert (done.returncode, done.stdout) == (0, ""), "of nothing there are no records"


# What a model is


def test_inspect_shows_the_records_and_reads_texts_in_their_form(here: Path) -> None:
    shown = output("inspect", "percent.txt.safetensors", cwd=here)
    assert r"--records-by=\n%\n" in shown
    assert "40 different records, the longest of" in shown
    data = json.loads(output("inspect", "cards.csv.safetensors", "--json", cwd=here))
    assert data["record_form"] == {"kind": "csv", "text": "text"}
    both = [
        json.loads(output("inspect", "cards.csv.safetensors", "--surprisal", text, "--json", cwd=here))
        for text in ("cards.csv", "\x1e".join([*CARDS, ""]))
    ]
    assert both[0]["surprisal"] == both[1]["surprisal"]


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "cards"])
def test_of_a_large_text_inspect_reads_the_beginning(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READ_BLOCK", 100)
    monkeypatch.setattr(target, "MAX_TEXT", 150)
    monkeypatch.setattr(target, "MAX_BYTES", 250)  # which are within a record
    target._parts_of.cache_clear()
    found = target.Target(here / f"{name}.safetensors", "a", None)
    assert found.text(str(here / name)) == "\x1e".join([*CARDS, ""])[:150]
    read = sum(len(part) for _, part in target._parts_of(str(here / name), False).read)
    assert read < 400 or name == "cards.csv"  # of which many rows are read at once


# Lines that are much longer than the rest


def test_a_very_long_line_stretches_neither_an_epoch_nor_the_samples(tmp_path: Path) -> None:
    names = [
        f"{a}{b}{c}" for a in ("Ashby", "Barrow", "Castle") for b in ("upon", "on") for c in "abcdefghijklmnopqrst"
    ]
    for name, more in (("names.txt", ""), ("long.txt", "far too long " * 2000)):
        (tmp_path / name).write_text("\n".join([*names, more, ""]), encoding="utf-8")
    options = ("--lines", "--epochs", 1, "--batch-size", 20, "--seq-length", 50, "--json", "--quiet")
    steps = {}
    for name in ("names.txt", "long.txt"):
        done = charrnn("train", name, *SMALL, *options, "--out", f"{name}.safetensors", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        steps[name] = json.loads(done.stdout)["steps"]
    assert steps["long.txt"] <= steps["names.txt"] + 26_000 / (20 * 50) + 8
    model = model_file.load(tmp_path / "long.txt.safetensors").model
    plain = model_file.load(tmp_path / "names.txt.safetensors").model
    assert (model.line_set.longest, model.default_length) == (26_000, plain.default_length)
    done = charrnn("sample", "long.txt.safetensors", "--count", 3, "--seed", 1, cwd=tmp_path)
    assert f"lines are cut after {model.default_length} characters: all but a few" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= model.default_length


def test_a_run_on_a_very_long_line_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("one\ntwo\nthree\n" + "far too long " * 500 + "\n", encoding="utf-8")
    for steps, name in ((20, "whole"), (9, "half")):
        said = train("long.txt", "--lines", "--steps", steps, "--out", f"{name}.safetensors", cwd=tmp_path)
        assert "lines that are much longer than others, or very long, and so are read in parts: 1\n" in said
    assert training_file.load_state(tmp_path / "half.resume.safetensors").rnn_state.shape[2] > 4, "it is several rows"
    train("--resume", "--steps", 20, "--out", "half.safetensors", cwd=tmp_path)
    models = [model_file.load(tmp_path / f"{name}.safetensors").model for name in ("half", "whole")]
    assert all((models[0].params[name] == p).all() for name, p in models[1].params.items())
