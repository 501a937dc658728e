"""`charrnn train --classify` and `charrnn classify`: real processes, streams and files."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import charrnn as api
from charrnn.cli.classify.results import print_score
from charrnn.cli.train import announcement
from charrnn.scoring.classify import Classification
from charrnn.scoring.label_score import LabelScore
from support.processes import SMALL, charrnn, command, environment, error_line, posix, started, train_model
from support.trainings import place_names, with_length

TEXTS = with_length(place_names(0, 1500))
OPTIONS = ("--cell", "lstm", "--steps", 150, "--lr", 0.02, "--batch-size", 50, "--hidden-size", 24)
OPTIONS += ("--dropout", 0, "--drop-connect", 0, "--clip", 5, "--lm-weight", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts and a classifier that has learned which are long."""
    folder = tmp_path_factory.mktemp("classify")
    train_model(folder, TEXTS, "--classify", *OPTIONS, steps=150)
    (folder / "names.txt").write_text("".join(line.split("\t")[0] + "\n" for line in TEXTS.splitlines()))
    return folder


def test_a_run_says_what_it_learns_and_what_to_try(tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text(TEXTS, encoding="utf-8")
    options = (*SMALL, "--steps", 6, "--sample-every", 6)
    done = charrnn("train", "texts.tsv", "--classify", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    n = sum(min(len(line.split("\t")[0]), 16) for line in TEXTS.splitlines())
    assert f"texts.tsv: 1,500 texts, {n:,} characters, 2 labels" in done.stderr
    assert "gru, 1 × 16 in both directions" in done.stderr
    assert "bits per label" in done.stderr
    assert done.stderr.count("%)\n") == 5
    assert done.stderr.rstrip().endswith("try charrnn classify")


def test_a_run_of_some_time_can_be_repeated_with_options_that_other_layouts_have_by_default(tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text(TEXTS, encoding="utf-8")
    options = ("--cell", "lstm", "--layers", 2, "--dropout", 0, "--batch-size", 50, "--clip", 5, "--hidden-size", 8)
    run = ("--time", "4s", "--seed", 1, "--engine", "numpy", "--threads", 1, "--out", "a.safetensors")
    done = charrnn("train", "texts.tsv", "--classify", *options, *run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (again,) = re.findall(r"^to repeat these steps on any machine: charrnn (train .*)$", done.stderr, re.MULTILINE)
    repeated = charrnn(*shlex.split(again), "--out", "b.safetensors", "--quiet", cwd=tmp_path)
    assert repeated.returncode == 0, repeated.stderr
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_it_prints_the_label_a_tab_and_the_line(folder: Path) -> None:
    done = charrnn("classify", "model.safetensors", "names.txt", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    wanted = [line.split("\t") for line in TEXTS.splitlines()]
    assert [text for _, text in rows] == [text for text, _ in wanted]
    assert sum(a == b for (a, _), (_, b) in zip(rows, wanted, strict=True)) > 1350


def test_labels_come_with_their_probabilities(folder: Path) -> None:
    args = ("classify", "model.safetensors", "--quiet")
    names = "Ayr\nBishopsteignton\n"
    top = charrnn(*args, "--top", 2, cwd=folder, input=names).stdout.splitlines()
    assert [line.split("\t")[0] for line in top] == ["short", "long"]
    assert [line.split("\t")[2] for line in top] == ["long", "short"]
    assert float(top[0].split("\t")[1]) + float(top[0].split("\t")[3]) == pytest.approx(1, abs=1e-3)
    header, first, _ = charrnn(*args, "--scores", cwd=folder, input=names).stdout.splitlines()
    assert header == "long\tshort\tline"
    assert first.split("\t")[1:] == [top[0].split("\t")[1], "Ayr"]
    rows = [json.loads(line) for line in charrnn(*args, "--json", cwd=folder, input=names).stdout.splitlines()]
    assert [(row["line"], row["label"]) for row in rows] == [("Ayr", "short"), ("Bishopsteignton", "long")]
    assert all("labels" not in row and row["probability"] > 0.5 for row in rows)
    (row,) = map(json.loads, charrnn(*args, "--json", "--scores", cwd=folder, input="Ayr").stdout.splitlines())
    assert sum(row["labels"].values()) == pytest.approx(1)


def test_it_is_evaluated_on_labelled_lines(folder: Path) -> None:
    done = charrnn("classify", "model.safetensors", "--evaluate", "corpus.txt", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert found["texts"] == 1500
    assert found["accuracy"] > 0.9
    assert found["labels"] == ["long", "short"]
    assert sum(map(sum, found["confusion"])) == 1500
    assert found["accuracy"] == pytest.approx(sum(found["confusion"][k][k] for k in range(2)) / 1500, abs=1e-6)
    table = charrnn("classify", "model.safetensors", "--evaluate", "corpus.txt", cwd=folder).stdout
    assert f"accuracy           {found['accuracy']:>8}" in table
    assert "expected" in table
    assert str(found["confusion"][0][0]) in table


def test_the_confusion_matrix_is_drawn_beside_the_table(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    args = ("classify", "model.safetensors", "--evaluate", "corpus.txt")
    found = json.loads(charrnn(*args, "--json", cwd=folder).stdout)
    done = charrnn(*args, "--plot", "confusion.svg", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "expected" in done.stdout
    assert "wrote confusion.svg, " in done.stderr
    drawn = (folder / "confusion.svg").read_text(encoding="utf-8")
    texts = re.findall(r">([^<>\n]+)</text>", drawn)
    assert sorted(texts) == sorted(
        ["long", "short"] * 2 + ["found", "expected"] + [f"{n:,}" for row in found["confusion"] for n in row if n]
    )
    assert "confusion.svg exists" in error_line(charrnn(*args, "--plot", "confusion.svg", cwd=folder), 1)
    assert charrnn(*args, "--plot", "confusion.svg", "--force", "--quiet", cwd=folder).stderr == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc, where nobody can make a file")
def test_a_picture_that_can_not_be_written_does_not_lose_the_score(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    args = ("classify", "model.safetensors", "--evaluate", "corpus.txt", "--json")
    done = charrnn(*args, "--plot", "/proc/confusion.svg", cwd=folder)
    assert done.returncode == 1
    assert "/proc/confusion.svg" in done.stderr.splitlines()[-1]
    assert done.stdout == charrnn(*args, cwd=folder).stdout != ""


def test_rare_labels_are_found_more_often_with_a_higher_logit_adjustment(folder: Path) -> None:
    def short(*args: object) -> int:
        lines = charrnn("classify", "model.safetensors", *args, "names.txt", cwd=folder).stdout.splitlines()
        return sum(line.startswith("short") for line in lines)

    rare = min(("short", "long"), key=[line.split("\t")[1] for line in TEXTS.splitlines()].count)
    found = [short("--logit-adjustment", tau) for tau in (0, 0.25, 10)]
    assert found == sorted(found, reverse=rare == "long")
    assert found[1] == short()
    assert found[0] != found[2]


@posix
def test_lines_are_answered_as_they_arrive(folder: Path) -> None:
    with started("classify", "model.safetensors", "--quiet", cwd=folder) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for name, label in (("Ayr", "short"), ("Bishopsteignton", "long")):
            run.stdin.write(f"{name}\n".encode())
            assert run.stdout.readline().decode() == f"{label}\t{name}\n"
        run.stdin.close()
        assert run.wait(20) == 0


@posix
def test_it_works_in_a_pipe_and_a_closed_pipe_ends_it_silently(folder: Path) -> None:
    classify = " ".join(command("classify", "model.safetensors"))
    line = f"cat names.txt names.txt | {classify} | grep -c ^long; cat names.txt | {classify} | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment(), capture_output=True, check=True)
    count, first = done.stdout.decode().splitlines()
    assert 2 * 500 < int(count) < 2 * 1000
    assert first.endswith("\tAbberley")
    assert done.stderr == b""


def test_unknown_characters_are_left_out_and_counted(folder: Path) -> None:
    done = charrnn("classify", "model.safetensors", cwd=folder, input="Ayr☃\nA☃yr\n")
    assert done.stdout == "short\tAyr☃\nshort\tA☃yr\n"
    assert "characters that the model has never seen were left out: 2" in done.stderr
    done = charrnn("classify", "model.safetensors", "--unknown", "error", cwd=folder, input="Ayr\nAyr☃\n")
    assert (done.returncode, done.stdout) == (1, "short\tAyr\n")
    assert "line 2: the model has never seen '☃'" in done.stderr


@pytest.mark.parametrize(
    ("args", "text", "code", "message"),
    [
        (("--evaluate",), "Ayr\tshort\nAyr\n", 1, "line 2 is not a text, a tab and its label"),
        (("--evaluate",), "", 1, "no lines to evaluate"),
        (("--evaluate",), "Ayr\tshort\nAyr\t  \n", 1, "line 2 has no label after its tab"),
        (("--evaluate",), "Ayr\t\n", 1, "line 1 has no label after its tab"),
        (("--evaluate", "--top", 2), "", 2, "--evaluate"),
        (("--top", 0), "", 2, "--top"),
        (("--plot", "x.svg"), "Ayr", 2, "--plot draws what --evaluate counts"),
        (("--evaluate", "--plot", "x.gif"), "", 2, ".svg"),
        (("--evaluate", "--force"), "", 2, "--force is only for --plot"),
        (("--threads", 0), "Ayr", 2, "threads"),
        (("--logit-adjustment", -1), "Ayr", 2, "--logit-adjustment must be"),
        (("--engine", "fortran"), "", 2, "numpy"),
        (("missing.txt",), "", 1, "missing.txt"),
    ],
)
def test_what_can_not_be_classified_is_one_line(
    args: tuple[object, ...], text: str, code: int, message: str, folder: Path
) -> None:
    assert message in error_line(charrnn("classify", "model.safetensors", *args, cwd=folder, input=text), code)


@pytest.mark.parametrize("line", ["sample", "score", "translate", "tag", "inspect --context", "inspect --vocabulary"])
def test_other_commands_say_what_the_model_is_for(line: str, folder: Path) -> None:
    name, *more = line.split()
    done = charrnn(name, "model.safetensors", *more, cwd=folder, input="Ayr\n")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_characters_that_speak_for_a_label_are_shown(folder: Path) -> None:
    args = ("inspect", "model.safetensors", "--attribution", "Bishopsteignton\nAyr\tshort\n")
    shown = charrnn(*args, cwd=folder).stdout.splitlines()
    data = json.loads(charrnn(*args, "--json", cwd=folder).stdout)["attribution"]
    assert [(answer["label"], answer["text"]) for answer in data["answers"]] == [
        ("long", "Bishopsteignton"),
        ("short", "Ayr"),
    ]
    for answer in data["answers"]:
        place = shown.index(answer["text"])
        assert shown[place - 1].startswith(f"{answer['label']}, {answer['probability']:.1%}; the strongest: ")
        top = max(map(abs, answer["values"]))
        assert shown[place + 1] == "".join("▁▂▃▄▅▆▇█"[round((x / top + 1) / 2 * 7)] for x in answer["values"])
    coloured = charrnn(*args, cwd=folder, env={"FORCE_COLOR": "1", "TERM": "xterm-256color"}).stdout
    assert "\x1b[" in coloured
    assert not {*"▁▂▃▄▅▆▇█"} & {*coloured}


def test_attributions_are_drawn_and_are_a_section_of_the_page(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    args = ("inspect", "model.safetensors", "--quiet", "--force")
    assert charrnn(*args, "--attribution", "Ayr", "--plot", "a.svg", cwd=folder).returncode == 0
    assert ">A</text>" in (folder / "a.svg").read_text(encoding="utf-8")
    pytest.importorskip("jinja2")
    done = charrnn(*args, "--page", "a.html", cwd=folder)  # of the first validation texts
    assert done.returncode == 0, done.stderr
    page = (folder / "a.html").read_text(encoding="utf-8")
    assert page.count('class="reading"') > 100
    assert '<section id="attribution">' in page
    assert '<section id="surprisal">' not in page
    assert charrnn(*args, "--attribution", "Ayr", "--page", "a.html", cwd=folder).returncode == 0
    page = (folder / "a.html").read_text(encoding="utf-8")
    values = json.loads(charrnn("inspect", "model.safetensors", "--attribution", "Ayr", "--json", cwd=folder).stdout)[
        "attribution"
    ]["answers"][0]["values"]
    shown = re.findall(r'<i class="u(\d+)" data-value="([+−].*?) nats">(.)</i>', page)
    assert "".join(character for *_, character in shown) == "Ayr"
    assert [float(value.replace("−", "-")) for _, value, _ in shown] == pytest.approx(values, rel=0.06)
    assert [int(step) - 7 for step, *_ in shown] == [round(7 * x / max(map(abs, values))) for x in values]


def test_views_of_other_models_are_refused_with_those_that_it_has(folder: Path) -> None:
    for option in (("--surprisal", "Ayr"), ("--neurons", "Ayr"), ("--context",), ("--vocabulary",)):
        line = error_line(charrnn("inspect", "model.safetensors", *option, cwd=folder), 2)
        assert f"{option[0]} shows a language model, and this is a classifier" in line
        assert "use --history, --attribution TEXT or --weights" in line


def test_its_shape_and_history_are_shown(folder: Path) -> None:
    done = charrnn("inspect", "model.safetensors", cwd=folder)
    assert "classifier, lstm, 1 × 24 in both directions" in done.stdout
    assert "long (" in done.stdout
    assert "rnn.weight_ih_l0_reverse" in done.stdout
    assert "bits per label" in done.stdout
    assert "nats per label" in charrnn("inspect", "model.safetensors", "--history", cwd=folder).stdout
    assert charrnn("inspect", "model.safetensors", "--weights", cwd=folder).returncode == 0


def test_it_resumes_byte_for_byte_and_is_the_same_from_python(tmp_path: Path) -> None:
    train_model(tmp_path, TEXTS, "--classify", steps=12)
    whole = (tmp_path / "model.safetensors").read_bytes()
    train_model(tmp_path, TEXTS, "--classify", "--force", steps=5)
    done = charrnn("train", "--resume", "--out", "model.safetensors", "--steps", 12, cwd=tmp_path, new=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == whole
    model = api.load(tmp_path / "model.safetensors").model
    lines = charrnn("classify", "model.safetensors", cwd=tmp_path, input="Ayr\nAberdare").stdout.splitlines()
    assert [found.label for found in api.classify(model, ["Ayr", "Aberdare"])] == [x.split("\t")[0] for x in lines]


def test_training_for_a_given_time(tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text(TEXTS, encoding="utf-8")
    done = charrnn("train", "texts.tsv", "--classify", "--time", "6s", "--engine", "numpy", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--classify" in done.stderr
    assert json.loads(done.stdout)["steps"] >= 1


@pytest.mark.parametrize(
    ("labels", "headings"),
    [
        (("England", "Wales"), ["Engl", "Wale"]),
        (("very bad", "very good"), ["very b", "very g"]),
        (("a", "a b"), ["a", "a b"]),
        (("the same beginning 1", "the same beginning 2"), ["1", "2"]),
    ],
)
def test_the_columns_of_the_table_can_be_told_apart(labels, headings, capsys):
    score = LabelScore(labels)
    score.add(Classification(labels[0], 0.8, labels, np.array([0.8, 0.2])), "unknown")
    print_score(score, False, lambda line: None)
    table = capsys.readouterr().out
    header, _, *rows = [line for line in table.splitlines()[5:] if line.strip()]
    assert header.split("expected")[1].split("F1")[0].split() == " ".join(headings).split()
    assert all(label in row for label, row in zip(labels, rows, strict=True))
    assert rows[0].split()[-1] == "0.000"
    assert rows[1].split()[-1] == "–"
    assert re.search(r"nats per text +–$", table, re.MULTILINE)


def test_nats_that_are_not_defined_are_null(capsys):
    score = LabelScore(("a", "b", "c"))
    score.add(Classification("a", 0.8, score.labels, np.array([0.8, 0.1, 0.1])), "x")
    print_score(score, True, lambda line: None)
    found = json.loads(capsys.readouterr().out)
    assert found["nats_per_text"] is None
    assert found["f1"] == {"a": 0, "x": 0}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_number_of_texts_is_that_of_the_lines_whatever_the_seed(seed: int) -> None:
    text = "".join(f"{'ab' * n}\t{'short' if n < 20 else 'long'}\n" * (1 + n % 4) for n in range(1, 41))
    trainer = api.train(
        text, layout="labels", steps=1, hidden_size=4, batch_size=8, engine="numpy", seed=seed, val_fraction=0.2
    )
    assert trainer.validation_data.size
    lines = [*announcement.lines(trainer, Path("m.safetensors"), False, False)]
    assert lines[0].startswith("text: 100 texts, 40 of them different, ")
    (split,) = [line for line in lines if line.startswith("trains on ")]
    assert sum(map(int, re.findall(r"\d+", split))) == 100


@pytest.mark.parametrize(
    ("layout", "text", "cut"),
    [
        (
            "labels",
            "abab\tx\na\ty\nababab\tx\nb\tx\n",
            "texts to learn from that are cut after 3 characters: 2 of 4; --seq-length 6 ",
        ),
        (
            "tags",
            "abab\txyxy\na\ty\nab\txy\n",
            "texts to learn from that are cut after 3 characters: 1 of 3; --seq-length 4 ",
        ),
        (
            "translations",
            "abab\tx\na\tyyyyy\nab\txy\n",
            "pairs to learn from that are cut after 3 characters: 2 of 3; --seq-length 6 ",
        ),
        ("labels", "aba\tx\na\ty\n", None),
        ("tags", "aba\txyx\na\ty\n", None),
        ("translations", "aba\tx\na\tyy\n", None),
        ("pairs", "abab\tx\nabab\ty\na\tx\na\ty\n", None),
    ],
)
def test_a_run_says_how_many_texts_are_cut(layout: str, text: str, cut: str | None) -> None:
    trainer = api.train(
        text, layout=layout, steps=1, hidden_size=4, batch_size=2, seq_length=3, engine="numpy", val_fraction=0
    )
    lines = [line for line in announcement.lines(trainer, Path("m.safetensors"), False, False) if "are cut" in line]
    assert lines == ([] if cut is None else [cut + "reads all of them, more slowly"])
