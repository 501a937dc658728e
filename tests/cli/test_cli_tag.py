"""`charrnn train --tags` and `charrnn tag`: real processes, streams and files."""

import json
from pathlib import Path

import pytest

from support.processes import charrnn, error_line, train_model
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
        (("--unknown", "error"), "Ayr\nAyr☃\n", 1, "line 2: the model has never seen '☃'"),
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
    assert "bits per tag" in done.stderr
    assert done.stderr.rstrip().endswith("try charrnn tag")


def test_it_resumes_byte_for_byte(tmp_path: Path) -> None:
    train_model(tmp_path, TEXTS, "--tags", steps=12)
    whole = (tmp_path / "model.safetensors").read_bytes()
    train_model(tmp_path, TEXTS, "--tags", "--force", steps=5)
    done = charrnn("train", "--resume", "--out", "model.safetensors", "--steps", 12, cwd=tmp_path, new=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == whole
