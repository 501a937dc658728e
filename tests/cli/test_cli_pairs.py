"""`charrnn train --pairs`, labels in `charrnn sample`, and `charrnn translate`: real processes, streams and files."""

import json
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

import charrnn as api
from support.processes import SMALL, charrnn, command, environment, error_line, posix, started
from support.trainings import place_names, spelled_backwards

NAMES = place_names().splitlines()[::10]
LABELLED = "".join(f"{'long' if len(name) > 9 else 'short'}\t{name}\n" for name in NAMES)
DOUBLED = "".join(f"{name[:2]}\t{name[:2] * 2}\n" for name in NAMES)
"""Sources of two characters, and each twice: what a small network learns in seconds."""
REVERSED = spelled_backwards("\n".join(NAMES))


def train(folder: Path, text: str, *options: object) -> Path:
    (folder / "pairs.tsv").write_text(text, encoding="utf-8", newline="")
    done = charrnn("train", "pairs.tsv", "--pairs", *SMALL, "--out", "m.safetensors", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of labels and names."""
    return train(tmp_path_factory.mktemp("labelled"), LABELLED, "--steps", 20)


@pytest.fixture(scope="module", params=["--no-attention", "--attention"])
def doubling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that writes its source twice, and has learned to; a language model, and a translator."""
    steps = {"--no-attention": 900, "--attention": 300}[request.param]
    options = ("--hidden-size", 48, "--lr", 0.01, "--schedule", "linear", "--batch-size", 50)
    return train(tmp_path_factory.mktemp("doubling"), DOUBLED, *options, request.param, "--steps", steps)


# Labels


def test_texts_of_a_label_are_written_without_it(labelled: Path) -> None:
    wanted = ("sample", "m.safetensors", "--label", "short", "--count", 4, "--seed", 1)
    done = charrnn(*wanted, cwd=labelled)
    assert done.returncode == 0, done.stderr
    texts = done.stdout.splitlines()
    assert len(texts) == 4
    assert not any(text.startswith("short") for text in texts)
    found = [json.loads(line) for line in charrnn(*wanted, "--json", cwd=labelled).stdout.splitlines()]
    assert [(row["text"], row["label"]) for row in found] == [(text, "short") for text in texts]


def test_a_label_is_drawn_and_told_by_json(labelled: Path) -> None:
    done = charrnn("sample", "m.safetensors", "--count", 60, "--seed", 1, "--json", cwd=labelled)
    labels = {json.loads(line)["label"] for line in done.stdout.splitlines()}
    assert labels == {"short", "long"}


def test_a_typed_pair_has_one_tab_and_a_known_label(labelled: Path) -> None:
    typed = "long\tAb\tcd\n\tAb\nlong\t\t\ntiny\tAb\nlong\tAb\n"
    done = charrnn("sample", "m.safetensors", "--interactive", "-n", 3, "--seed", 1, cwd=labelled, input=typed)
    assert done.stdout.startswith("long\tAb")
    assert done.stdout.count("\n") == 1
    *tabs, label = [line for line in done.stderr.splitlines() if line.startswith("charrnn: ")]
    assert tabs == ["charrnn: type a source, one tab and how its target begins"] * 3
    assert "no label 'tiny'" in label


def test_an_unknown_label_gets_the_known_ones(labelled: Path) -> None:
    done = charrnn("sample", "m.safetensors", "--label", "tiny", cwd=labelled)
    assert "no label 'tiny': choose one of long, short" in error_line(done, 2)


def test_a_text_that_is_no_label_is_not_rewritten_by_a_model_of_labels(labelled: Path) -> None:
    done = charrnn("translate", "m.safetensors", input="long\n\nShortley\n", cwd=labelled)
    wanted = (
        "line 3: the model has no label 'Shortley': choose one of long, short; `charrnn sample --label` writes texts"
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"charrnn: {wanted}")
    assert [bool(line) for line in done.stdout.splitlines()] == [True, False]


def test_a_run_says_how_many_pairs_it_has_and_what_to_try(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text(LABELLED + "no tab\n\tb\nno tab\n", encoding="utf-8")
    options = (*SMALL, "--steps", 4, "--sample-every", 4, "--skip-bad")
    done = charrnn("train", "pairs.tsv", "--pairs", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pairs.tsv: 812 pairs, " in done.stderr
    told = "line 813 has no tab in pairs.tsv (2 lines are like that); line 814 has no source"
    assert f"\nbad lines that were skipped: 3; {told}\n" in done.stderr
    assert "try charrnn sample --count 20" in done.stderr
    assert "    long: " in done.stderr or "    short: " in done.stderr
    assert "of the pairs, validates on the other" in done.stderr


def test_a_run_on_texts_to_rewrite_shows_how_it_rewrites_them(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text(spelled_backwards("\n".join(NAMES)), encoding="utf-8")
    done = charrnn("train", "pairs.tsv", "--pairs", *SMALL, "--steps", 4, "--sample-every", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.partition("\nsample at step 4:\n    ")[2].count(" → ") == 5
    assert "try charrnn translate" in done.stderr


def test_it_resumes_byte_for_byte(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    train(here, LABELLED, "--steps", 30)
    train(there, LABELLED, "--steps", 12)
    done = charrnn("train", "--resume", "--out", "m.safetensors", "--steps", 30, cwd=there, new=True)
    assert done.returncode == 0, done.stderr
    assert (here / "m.safetensors").read_bytes() == (there / "m.safetensors").read_bytes()


# Tables


def test_columns_of_csv_and_fields_of_json_lines_give_the_same_model(tmp_path: Path) -> None:
    rows = [line.split("\t") for line in LABELLED.splitlines()]
    (tmp_path / "pairs.csv").write_text("name,n,kind\n" + "".join(f'"{b}",1,{a}\n' for a, b in rows), encoding="utf-8")
    (tmp_path / "pairs.jsonl").write_text(
        "".join(json.dumps({"kind": a, "name": b}) + "\n" for a, b in rows), encoding="utf-8"
    )
    train(tmp_path, LABELLED, "--steps", 3)
    expected = api.load(tmp_path / "m.safetensors").model
    for table in ("csv", "jsonl"):
        args = ("train", f"pairs.{table}", "--pairs", f"--{table}", "kind,name", *SMALL)
        done = charrnn(*args, "--steps", 2, "--out", f"{table}.safetensors", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        done = charrnn("train", "--resume", "--steps", 3, "--out", f"{table}.safetensors", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = api.load(tmp_path / f"{table}.safetensors").model
        assert found.labels == expected.labels
        assert all((found.params[name] == p).all() for name, p in expected.params.items())


# Rewriting


def test_a_model_translates_what_it_has_not_seen(doubling: Path) -> None:
    done = charrnn("translate", "m.safetensors", "--evaluate", "pairs.tsv", "--json", cwd=doubling)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["lines"] == len(NAMES)
    assert found["accuracy"] > 0.95
    assert found["exact"] == round(found["accuracy"] * len(NAMES))
    table = charrnn("translate", "m.safetensors", "--evaluate", "pairs.tsv", cwd=doubling).stdout
    assert f"exact                 {found['exact']:>10}" in table


@posix
def test_it_works_in_a_pipe(doubling: Path) -> None:
    translate = " ".join(command("translate", "m.safetensors"))
    line = f"cut -f1 pairs.tsv | {translate} | paste pairs.tsv -"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=doubling, env=environment(), capture_output=True, check=True
    )
    rows = [row.split("\t") for row in done.stdout.decode().splitlines()]
    assert len(rows) == len(NAMES)
    assert sum(wanted == found for _, wanted, found in rows) > 0.95 * len(NAMES)


@posix
def test_lines_are_answered_as_they_arrive(doubling: Path) -> None:
    with started("translate", "m.safetensors", "--quiet", cwd=doubling) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for source in ("Lo", "Ba"):
            run.stdin.write(f"{source}\n".encode())
            assert run.stdout.readline().decode() == f"{source * 2}\n"
        run.stdin.close()
        assert run.wait(20) == 0


@posix
def test_a_closed_pipe_ends_it_silently(doubling: Path) -> None:
    line = f"(cat pairs.tsv pairs.tsv | cut -f1) | {' '.join(command('translate', 'm.safetensors'))} | head -n 1"
    done = subprocess.run(["bash", "-c", line], cwd=doubling, env=environment(), capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1


def test_more_targets_come_with_their_probabilities(doubling: Path) -> None:
    args = ("translate", "m.safetensors", "--beam", 6, "--nbest", 3)
    done = charrnn(*args, "--json", cwd=doubling, input="Lo\n\nBa")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["source"] for row in rows] == ["Lo", "", "Ba"]
    assert rows[0]["text"] == "LoLo"
    assert all(len(row["alternatives"]) == 2 and row["complete"] for row in rows[::2])
    text = charrnn(*args, cwd=doubling, input="Lo\n").stdout
    assert text == "\t".join([rows[0]["text"], *(other["text"] for other in rows[0]["alternatives"])]) + "\n"


def test_the_same_from_python(doubling: Path) -> None:
    model = api.load(doubling / "m.safetensors").model
    assert [found.text for found in api.translate(model, ["Lo", "Ba"])] == ["LoLo", "BaBa"]


def test_sources_that_are_no_labels_are_rewritten_with_attention_unless_it_is_declined() -> None:
    for text, options, layout in (
        (LABELLED, {}, "pairs"),
        (LABELLED, {"attention": True}, "translations"),
        (REVERSED, {}, "translations"),
        (REVERSED, {"attention": False}, "pairs"),
    ):
        run = api.train(text, layout="pairs", steps=2, seed=1, hidden_size=8, **options)
        for _ in run:
            pass
        assert run.best.layout == layout
    with pytest.raises(api.ConfigError, match="attention is only for pairs"):
        api.train(REVERSED, layout="lines", steps=2, attention=True)


# Attention


@pytest.fixture(scope="module")
def reversing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a translator of a few steps."""
    return train(tmp_path_factory.mktemp("reversing"), REVERSED, "--steps", 12)


def test_a_run_with_attention_says_so_and_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text(REVERSED, encoding="utf-8")
    args = ("train", "pairs.tsv", "--pairs", "--seed", 1, "--engine", "numpy")
    done = charrnn(*args, "--time", "8s", "--hidden-size", 8, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 × 8 in both directions, and a decoder with attention" in done.stderr
    assert "try charrnn translate" in done.stderr
    repeated = next(line for line in done.stderr.splitlines() if line.startswith("to repeat"))
    assert " --pairs --attention " in repeated
    whole = (tmp_path / "checkpoints" / "pairs.safetensors").read_bytes()
    words = shlex.split(repeated.partition("charrnn ")[2])
    assert charrnn(*words, "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "checkpoints" / "pairs.safetensors").read_bytes() == whole


def test_a_run_with_attention_resumes_byte_for_byte(tmp_path: Path) -> None:
    train(tmp_path, REVERSED, "--steps", 12)
    whole = (tmp_path / "m.safetensors").read_bytes()
    train(tmp_path, REVERSED, "--steps", 5, "--force")
    resume = ("train", "pairs.tsv", "--resume", "--out", "m.safetensors", "--steps", 12)
    for args in (("--pairs", "--no-attention"), ("--no-attention",)):
        assert "has attention, which can't change" in error_line(charrnn(*resume, *args, cwd=tmp_path), 2)
    done = charrnn(*resume, "--pairs", "--attention", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m.safetensors").read_bytes() == whole


def test_what_a_translator_reads_for_each_character_is_shown(reversing: Path) -> None:
    args = ("inspect", "m.safetensors", "--attention", "Ayr\tryA\nLoo☃\n")
    (given, written) = json.loads(charrnn(*args, "--json", cwd=reversing).stdout)["attention"]["pairs"]
    assert (given["source"], given["target"], written["source"]) == ("Ayr", "ryA", "Loo")
    for pair in (given, written):
        weights = np.array(pair["weights"])
        assert weights.shape == (len(pair["target"]) + 1, len(pair["source"]))
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=1e-3)
    shown = charrnn(*args, cwd=reversing).stdout
    rows = shown.partition("Ayr → ryA\n")[2].splitlines()
    assert [rows[0].strip(), *(row[:2] for row in rows[1:5])] == ["Ayr", "r ", "y ", "A ", "⏎ "]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("sample",), 2, "this model is a translator: use `charrnn translate`"),
        (("inspect", "--context"), 2, "--context shows a language model, and this is a translator: use"),
        (("inspect", "--attention", "☃"), 1, "nothing to read in this text: the model knows none of its characters"),
        (("inspect", "--attention", ""), 1, "nothing to read in this text: it is empty"),
        (("inspect", "--attention", "A" * 1001), 1, "a line of 1,001 characters is too long: give at most 1,000"),
        (("score", "--per-line", "--stateful"), 2, "a model of pairs reads each line alone"),
    ],
)
def test_what_a_translator_can_not_do_is_one_line(
    args: tuple[str, ...], code: int, message: str, reversing: Path
) -> None:
    command, *options = args
    done = charrnn(command, "m.safetensors", *options, cwd=reversing, input="Ayr\tryA\n")
    assert message in error_line(done, code)


def test_a_translator_can_begin_from_another_but_from_no_language_model(
    reversing: Path, labelled: Path, tmp_path: Path
) -> None:
    (tmp_path / "more.tsv").write_text(REVERSED, encoding="utf-8")
    args = ("train", "more.tsv", "--pairs", "--steps", 2, "--batch-size", 8, "--seed", 1, "--engine", "numpy")
    done = charrnn(*args, "--init-from", reversing / "m.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    other = charrnn(*args, "--attention", "--init-from", labelled / "m.safetensors", "--force", cwd=tmp_path)
    assert "a translator can't start from another form of model" in error_line(other, 2)


@pytest.mark.parametrize(
    ("args", "text", "code", "message"),
    [
        ((), "L☃\n", 1, "line 1: the model has never seen '☃'"),
        ((), "a\tb\n", 1, "line 1: a source has no tabs"),
        (("--evaluate",), "Lo\tLoLo\nLo\n", 1, "line 2 is not a text, a tab and its target"),
        (("--evaluate",), "", 1, "no lines to evaluate"),
        (("--evaluate", "--nbest", 2), "", 2, "--nbest"),
        (("--beam", 0), "", 2, "beam"),
        (("--nbest", 5), "", 2, "a beam of 4 can't find 5 targets"),
        (("--threads", 0), "", 2, "threads"),
        (("missing.txt",), "", 1, "missing.txt"),
        (("--unknown", "perhaps"), "", 2, "unknown"),
    ],
)
def test_what_can_not_be_translated_is_one_line(
    args: tuple[object, ...], text: str, code: int, message: str, doubling: Path
) -> None:
    done = charrnn("translate", "m.safetensors", *args, cwd=doubling, input=text)
    assert message in error_line(done, code)


def test_targets_that_are_cut_are_counted(doubling: Path) -> None:
    args = ("translate", "m.safetensors", "--beam", 2)
    cut = charrnn(*args, "--length", 2, cwd=doubling, input="Le\n\nBe\n")
    assert cut.stdout == "Le\n\nBe\n"
    assert "targets that were cut at the greatest length: 2; --length sets it\n" in cut.stderr
    whole = charrnn(*args, cwd=doubling, input="Le\n\nBe\n")
    assert whole.stdout == "LeLe\n\nBeBe\n"
    assert "cut" not in whole.stderr


def test_unknown_characters_of_sources_are_counted(doubling: Path) -> None:
    args = ("translate", "m.safetensors", "--beam", 1, "--unknown")
    done = charrnn(*args, "skip", cwd=doubling, input="L☃e\n☃☃Be\n")
    assert len(done.stdout.splitlines()) == 2
    assert "characters that the model has never seen were left out: 3" in done.stderr
    done = charrnn(*args, "nearest", cwd=doubling, input="Lé\n")
    assert "were replaced by the nearest ones: 1" in done.stderr
    assert "never seen" not in charrnn(*args, "skip", cwd=doubling, input="Le\n").stderr
    model = api.load(doubling / "m.safetensors").model
    assert [found.unknown for found in api.translate(model, ["L☃e", "Le"], beam=1, unknown="skip")] == [1, 0]


def test_a_text_to_score_needs_a_target(doubling: Path) -> None:
    done = charrnn("score", "m.safetensors", "--quiet", cwd=doubling, input="Le\n")
    assert "no line is a source, a tab and a target" in error_line(done, 1)


def test_lines_to_continue_need_a_source_and_a_tab(labelled: Path) -> None:
    args = ("sample", "m.safetensors", "--prime", "-", "--per-line", "--seed", 1, "-n", 4, "--quiet")
    done = charrnn(*args, cwd=labelled, input="long\tLe\nshort\t\n")
    assert done.stdout.startswith("long\tLe")
    assert done.stdout.splitlines()[1].startswith("short\t")
    for text in ("Le\n", "\tLe\n", "\n", "long\tLe\tLe\n"):
        done = charrnn(*args, cwd=labelled, input=f"{text}long\tBe\n")
        assert "line 1 is not a source, a tab and the beginning of a target" in error_line(done, 1)


def test_a_score_is_that_of_the_targets(doubling: Path) -> None:
    done = charrnn("score", "m.safetensors", "--json", "pairs.tsv", cwd=doubling)
    found = json.loads(done.stdout)
    assert found["chars"] == sum(len(line.split("\t")[1]) + 1 for line in DOUBLED.splitlines())
    assert found["bpc"] < 0.5
    lines = charrnn("score", "m.safetensors", "--per-line", "--json", "pairs.tsv", cwd=doubling).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert sum(row["chars"] for row in rows) == found["chars"]
    assert sum(row["chars"] * row["bpc"] for row in rows) == pytest.approx(found["chars"] * found["bpc"], rel=1e-4)


def test_the_views_of_a_model_of_pairs(labelled: Path) -> None:
    for view in ((), ("--history",), ("--surprisal", "long\tHollowby"), ("--context",)):
        done = charrnn("inspect", "m.safetensors", *view, cwd=labelled)
        assert done.returncode == 0, (view, done.stderr)
    found = json.loads(charrnn("inspect", "m.safetensors", "--json", cwd=labelled).stdout)
    assert found["layout"] == "pairs"


def test_a_model_of_pairs_can_begin_from_another(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "more.tsv").write_text(LABELLED, encoding="utf-8")
    done = charrnn(
        *("train", "more.tsv", "--pairs", "--init-from", labelled / "m.safetensors", "--steps", 2),
        *("--batch-size", 8, "--seed", 1, "--engine", "numpy"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
