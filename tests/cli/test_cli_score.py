"""`charrnn score` as a process: numbers on stdout, lines unchanged and at once, colours on a terminal."""

import json
import math
import os
import re
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE, CompletedProcess

import pytest

import charrnn as api
from charrnn.model.model import Model
from charrnn.scoring.score import Score
from charrnn.scoring.windows import score_windows
from support.processes import OPENING, TEXT, charrnn, command, environment, error_line, posix, raw, started, train_model
from support.terminal import on_a_terminal

RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 8
LINES = ["It is a truth", "", "a wife in want of a man", "htruthh", "some one or other of them", "a"]
TEXT_LINES = "".join(line + "\n" for line in LINES)
KEYS = ["chars", "nats_per_char", "bpc", "perplexity"]
ENGINES = ("numpy", "numba")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("bytes"), RUSSIAN.encode() + b"\xff\xfe\n" * 20, "--bytes")


@pytest.fixture(scope="module")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("russian"), RUSSIAN)


def loaded(path: Path) -> Model:
    return api.load(path).model


def score(
    *args: object, cwd: Path, env: Mapping[str, str] | None = None, input: str | bytes = b""
) -> CompletedProcess[str]:
    """A run that succeeds, with the NumPy engine, which the tests compare with."""
    done = charrnn("score", *args, cwd=cwd, env={"CHARRNN_SCORE_ENGINE": "numpy", **(env or {})}, input=input)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def objects(done: CompletedProcess[str]) -> list[dict[str, object]]:
    """The objects that `--json` printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def scored(lines: list[str], scores: list[Score]) -> str:
    """The output of `--per-line` for these lines."""
    return "".join(f"{score.bpc:.4f}\t{line}\n" for line, score in zip(lines, scores, strict=True))


def fresh(path: Path, lines: list[str] = LINES) -> list[Score]:
    """The scores of lines, each with a newline."""
    return list(api.score_lines(loaded(path), (line + "\n" for line in lines)))


# A text


def test_the_score_of_a_text_has_bits_nats_and_perplexity(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(OPENING)
    done = score(model, "text.txt", cwd=tmp_path)
    wanted = api.score(loaded(model), OPENING)
    assert done.stdout.split() == [
        *("bits", "per", "character", f"{wanted.bpc:.4f}"),
        *("nats", "per", "character", f"{wanted.nats_per_char:.4f}"),
        *("perplexity", f"{wanted.perplexity:.4f}"),
        *("characters", str(len(OPENING))),
    ]
    assert done.stderr == ""


def test_a_text_is_read_from_files_folders_or_stdin(model: Path, tmp_path: Path) -> None:
    first = OPENING.splitlines(keepends=True)[0]
    parts = first, OPENING.removeprefix(first)
    (tmp_path / "texts").mkdir()
    for name, part in zip("ab", parts, strict=True):
        (tmp_path / "texts" / name).write_text(part)
    named = score(model, "texts/a", "texts/b", cwd=tmp_path).stdout
    assert named == score(model, cwd=tmp_path, input=OPENING).stdout
    assert named == score(model, "-", cwd=tmp_path, input=OPENING).stdout
    assert named == score(model, "texts/a", "-", cwd=tmp_path, input=parts[1]).stdout
    assert named == score(model, "texts", cwd=tmp_path).stdout
    (tmp_path / "texts" / "a").write_text(first.removesuffix("\n"))  # the next file begins a line all the same
    assert named == score(model, "texts", cwd=tmp_path).stdout


def test_the_default_model_is_the_newest(model: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "m.safetensors").write_bytes(model.read_bytes())
    (tmp_path / "text.txt").write_text(OPENING)
    wanted = score(model, "text.txt", cwd=tmp_path).stdout
    for args, given in ((["text.txt"], ""), (["-"], OPENING), ([], OPENING)):
        done = score(*args, cwd=tmp_path, input=given)
        assert done.stdout == wanted
        assert done.stderr == f"model: {Path('checkpoints', 'm.safetensors')}\n"
    assert score("--quiet", "text.txt", cwd=tmp_path).stderr == ""


def test_json_is_the_score_of_the_library(model: Path, tmp_path: Path) -> None:
    (found,) = objects(score(model, "--json", cwd=tmp_path, input=OPENING))
    assert found == api.score(loaded(model), OPENING).as_dict()
    assert list(found)[-4:] == KEYS
    assert found["chars"] == len(OPENING)
    assert found["bpc"] == pytest.approx(found["nats_per_char"] / math.log(2))
    assert found["perplexity"] == pytest.approx(math.exp(found["nats_per_char"]))


def test_a_text_is_read_as_in_training(model: Path, tmp_path: Path) -> None:
    wanted = score(model, "--json", cwd=tmp_path, input=OPENING).stdout
    with_marks = "\ufeff" + OPENING.replace("\n", "\r\n")
    assert score(model, "--json", cwd=tmp_path, input=with_marks).stdout == wanted


def test_a_model_of_bytes_scores_bytes(of_bytes: Path, tmp_path: Path) -> None:
    text = "семья\r\n".encode() + b"\xff\x00"
    (found,) = objects(score(of_bytes, "--json", cwd=tmp_path, input=text))
    assert found["chars"] == len(text)
    assert found["bpc"] == pytest.approx(api.score(loaded(of_bytes), text).bpc)
    shown = score(of_bytes, cwd=tmp_path, input=text).stdout.splitlines()
    assert shown[0].startswith("bits per byte ")
    assert shown[3].split() == ["bytes", str(len(text))]


def test_the_engines_agree(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    found = [objects(score(model, "--json", "--engine", name, cwd=tmp_path, input=TEXT))[0] for name in ENGINES]
    assert found[0]["bpc"] == pytest.approx(found[1]["bpc"], rel=1e-5)
    lines = [objects(score(model, "--json", "--sort", "--engine", e, cwd=tmp_path, input=TEXT)) for e in ENGINES]
    assert [o["bpc"] for o in lines[0]] == pytest.approx([o["bpc"] for o in lines[1]], rel=1e-5)


# Lines


@pytest.mark.parametrize("options", [("--per-line",), ("--top", 3), ("--above", 1), ("--per-line", "--stateful"), ()])
def test_scores_do_not_depend_on_the_number_of_threads(
    options: tuple[object, ...], model: Path, tmp_path: Path
) -> None:
    text = TEXT_LINES * 20
    usual, *others = (
        score(model, *options, *words, cwd=tmp_path, input=text).stdout
        for words in ((), ("--threads", 1), ("--threads", 3))
    )
    assert usual
    assert others == [usual, usual]


def test_every_line_gets_its_score_in_order(model: Path, tmp_path: Path) -> None:
    done = score(model, "--per-line", cwd=tmp_path, input=TEXT_LINES)
    assert done.stdout == scored(LINES, fresh(model))
    assert done.stderr == ""
    (tmp_path / "lines.txt").write_text(TEXT_LINES)
    assert score(model, "--per-line", "lines.txt", cwd=tmp_path).stdout == done.stdout


def test_the_scores_of_stateful_lines_add_up_to_that_of_the_text(model: Path, tmp_path: Path) -> None:
    done = score(model, "--per-line", "--stateful", cwd=tmp_path, input=TEXT_LINES)
    assert done.stdout == scored(
        LINES, list(api.score_lines(loaded(model), TEXT_LINES.splitlines(True), stateful=True))
    )
    found = objects(score(model, "--per-line", "--stateful", "--json", cwd=tmp_path, input=TEXT_LINES))
    assert sum(o["chars"] for o in found) == len(TEXT_LINES)
    total = sum(o["nats_per_char"] * o["chars"] for o in found)
    assert total == pytest.approx(api.score(loaded(model), TEXT_LINES).nats)
    assert found[2]["bpc"] != pytest.approx(fresh(model)[2].bpc, rel=1e-3)


def test_the_last_line_may_have_no_newline(model: Path, tmp_path: Path) -> None:
    done = score(model, "--per-line", cwd=tmp_path, input="It is a truth\na wife")
    assert done.stdout == scored(
        ["It is a truth", "a wife"], list(api.score_lines(loaded(model), ["It is a truth\n", "a wife"]))
    )


def test_an_empty_text_has_no_lines_and_no_score(model: Path, tmp_path: Path) -> None:
    for option in ("--per-line", "--sort", "--top=3", "--above=1", "--json --per-line"):
        assert score(model, *option.split(), cwd=tmp_path).stdout == ""
    assert "it is empty" in error_line(charrnn("score", model, cwd=tmp_path), 1)


def test_json_per_line_prints_an_object_for_each_line(model: Path, tmp_path: Path) -> None:
    found = objects(score(model, "--per-line", "--json", cwd=tmp_path, input=TEXT_LINES))
    assert found == [
        {"file": "stdin", "line_number": n, "line": line} | score.as_dict()
        for n, (line, score) in enumerate(zip(LINES, fresh(model), strict=True), 1)
    ]
    assert all(list(o)[-4:] == KEYS for o in found)


def test_the_most_surprising_come_first(model: Path, tmp_path: Path) -> None:
    repeated = LINES * 3  # of equals the earlier one comes first
    numbered = [f"{line}" for line in repeated]
    pairs = sorted(zip(fresh(model, numbered), numbered, strict=True), key=lambda pair: -pair[0].bpc)
    wanted = scored([line for _, line in pairs], [score for score, _ in pairs])
    given = "".join(line + "\n" for line in numbered)
    assert score(model, "--sort", cwd=tmp_path, input=given).stdout == wanted
    for top in (1, 5, 100):
        first = "".join(wanted.splitlines(True)[:top])
        assert score(model, "--top", top, cwd=tmp_path, input=given).stdout == first
        assert score(model, "--top", top, "--sort", "--per-line", cwd=tmp_path, input=given).stdout == first
    found = objects(score(model, "--top", 2, "--json", cwd=tmp_path, input=given))
    assert [o["line"] for o in found] == [line for _, line in pairs[:2]]


def test_of_lines_with_equal_scores_the_earlier_comes_first(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("numba")  # BLAS rounds differently in each row
    given = ["\ufeffa truth", "It is", "a truth\r", "a truth"]
    done = score(model, "--sort", "--engine", "numba", cwd=tmp_path, input="\n".join([*given, ""]))
    lines = raw(done.stdout).decode().split("\n")
    assert [line.partition("\t")[2] for line in lines if "truth" in line] == ["\ufeffa truth", "a truth\r", "a truth"]


# Filters


def middle(scores: list[Score]) -> float:
    """A score that about half of the lines exceed."""
    found = sorted({score.bpc for score in scores})
    return (found[len(found) // 2] + found[len(found) // 2 - 1]) / 2


def test_filters_print_lines_byte_for_byte(of_bytes: Path, model: Path, tmp_path: Path) -> None:
    for path, content in (
        (of_bytes, b"\xff\xfe\r\n\xd0\n\0\n\nsemya\r\xe2\x82\n" + RUSSIAN[:50].encode() + b"\n\xef\xbb\xbflast \x85"),
        (model, b"\xef\xbb\xbfIt is\r\n\n\r\na truth\runiversally\n\na wife"),
    ):
        whole = re.findall(rb"[^\n]*\n|[^\n]+" if path == of_bytes else rb"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+", content)
        (tmp_path / "lines").write_bytes(content)
        assert raw(score(path, "--above", 0, "lines", cwd=tmp_path).stdout) == content
        assert raw(score(path, "--below", 99, cwd=tmp_path, input=content).stdout) == content
        found = [float(line.split(b"\t")[0]) for line in scores_of(path, content, tmp_path)]
        limit = (min(found) + max(found)) / 2
        above = b"".join(line for line, bpc in zip(whole, found, strict=True) if bpc > limit)
        below = b"".join(line for line, bpc in zip(whole, found, strict=True) if bpc <= limit)
        assert above
        assert below
        assert raw(score(path, "--above", limit, "lines", cwd=tmp_path).stdout) == above
        assert raw(score(path, "--below", limit, "lines", cwd=tmp_path).stdout) == below


def scores_of(path: Path, content: bytes, cwd: Path) -> list[bytes]:
    """The lines of `--per-line`, each of which ends with a line of the content."""
    found = raw(score(path, "--per-line", cwd=cwd, input=content).stdout).split(b"\n")
    assert found.pop() == b""
    printed = b"\n".join(line.partition(b"\t")[2] for line in found)
    # A line that ends with \r alone is printed on one of its own, except for a model of bytes
    assert printed in (content, re.sub(rb"\r(?!\n)", b"\r\n", content))
    assert all(re.fullmatch(rb"\d+\.\d{4}", line.partition(b"\t")[0]) for line in found)
    return found


def test_filters_can_be_combined_with_scores(model: Path, tmp_path: Path) -> None:
    scores = fresh(model)
    limit = middle(scores)
    kept = [(line, score) for line, score in zip(LINES, scores, strict=True) if score.bpc > limit]
    wanted = scored([line for line, _ in kept], [score for _, score in kept])
    assert 0 < len(kept) < len(LINES)
    assert score(model, "--above", limit, "--per-line", cwd=tmp_path, input=TEXT_LINES).stdout == wanted
    alone = score(model, "--above", limit, cwd=tmp_path, input=TEXT_LINES).stdout
    assert alone == "".join(line + "\n" for line, _ in kept)
    best = score(model, "--above", limit, "--top", 1, cwd=tmp_path, input=TEXT_LINES).stdout
    assert best == max(kept, key=lambda pair: pair[1].bpc)[0] + "\n"
    found = objects(score(model, "--above", limit, "--json", cwd=tmp_path, input=TEXT_LINES))
    assert [o["line"] for o in found] == [line for line, _ in kept]
    between = score(model, "--above", limit, "--below", kept[0][1].bpc + 1e-9, cwd=tmp_path, input=TEXT_LINES).stdout
    assert between == "".join(line + "\n" for line, score in kept if score.bpc <= kept[0][1].bpc)


def test_a_line_without_a_newline_gets_one_if_another_line_follows(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("It is\na truth")
    (tmp_path / "b").write_text("a wife")
    assert score(model, "--above", 0, "a", "b", cwd=tmp_path).stdout == "It is\na truth\na wife"
    assert score(model, "--per-line", "a", "b", cwd=tmp_path).stdout == scored(
        ["It is", "a truth", "a wife"], list(api.score_lines(loaded(model), ["It is\n", "a truth\n", "a wife"]))
    )


# Streams


def arrived(process: "subprocess.Popen[bytes]", seconds: float = 60) -> bytes:
    """The next output."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], seconds)[0], "no output"
    return os.read(process.stdout.fileno(), 1 << 20)


@posix
@pytest.mark.parametrize(
    "options", [["--per-line"], ["--per-line", "--stateful"], ["--above", "0"], ["--above=0", "--per-line"]]
)
def test_each_line_of_a_slow_writer_is_printed_at_once(options: list[str], model: Path, tmp_path: Path) -> None:
    with started("score", model, "--engine", "numpy", *options, cwd=tmp_path) as process:
        assert process.stdin is not None
        found = b""
        for line in (b"It is\n", b"a truth\n", b"universally\nack", b"nowledged\n"):
            process.stdin.write(line)
            process.stdin.flush()
            found += arrived(process)
            assert process.poll() is None
        process.stdin.write(b"of")
        process.stdin.close()
        process.stdin = None
        found += process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert found.count(b"\n") in (4, 5)  # a filter leaves the last line without a newline
    given = "It is\na truth\nuniversally\nacknowledged\nof"
    assert found.decode() == score(model, "--engine", "numpy", *options, cwd=tmp_path, input=given).stdout


@posix
@pytest.mark.parametrize("option", ["--per-line", "--above=0", "--heatmap"])
def test_a_pipe_that_closes_ends_it_silently(option: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(TEXT_LINES * 100_000)
    args = command("score", model, option, "--quiet", "--engine", "numpy", "lines")
    with subprocess.Popen(args, cwd=tmp_path, env=environment(), stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # the whole would take minutes
        process.stdout.close()
        process.stdout = None
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert first.decode().endswith(LINES[0] + "\n")


@posix
@pytest.mark.parametrize("options", [["--above=99"], ["--top=3"], []])
def test_memory_does_not_grow_with_the_text(options: list[str], model: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys; from charrnn.cli import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = []
    for n in (1 << 15, 1 << 18):
        args = [sys.executable, "-c", code, "score", str(model), "--engine", "numpy", *options]
        given = b"\n" * n if options else b"a wife\n" * (n // 32)
        done = subprocess.run(args, cwd=tmp_path, env=environment(), input=given, capture_output=True, timeout=300)
        peaks.append(int(done.stderr))
    assert peaks[1] - peaks[0] < 10_000, peaks  # KB; to keep the lines would take five times as many


@posix
def test_an_interrupted_score_ends_quietly(model: Path, tmp_path: Path) -> None:
    import signal

    with started("score", model, "--per-line", "--engine", "numpy", cwd=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(b"a wife\n")
        process.stdin.flush()
        arrived(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--per-line"], ["--sort"], ["--above=0"], ["--heatmap", "--quiet"]])
def test_a_full_disk_is_an_error_in_one_line(options: list[str], model: Path, tmp_path: Path) -> None:
    args = command("score", model, "--engine", "numpy", *options)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            args, cwd=tmp_path, env=environment(), stdout=full, stderr=PIPE, input=TEXT.encode(), timeout=60
        )
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("charrnn: ")
    assert "No space left on device" in line


# Unknown characters


@pytest.mark.parametrize(
    ("text", "named"),
    [("Жa", "U+0416 CYRILLIC CAPITAL LETTER ZHE"), ("a\x1b[31m", "U+001B"), (b"a\xe9", "the byte E9 (not UTF-8)")],
)
def test_an_unknown_character_is_an_error_that_says_what_to_do(
    text: str | bytes, named: str, model: Path, tmp_path: Path
) -> None:
    for options in ([], ["--sort"], ["--per-line"], ["--heatmap", "--quiet"]):
        policy = ["--unknown", "error"] if options and "--heatmap" not in options else []  # lines count them
        done = charrnn("score", model, *options, *policy, cwd=tmp_path, input=text)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert named in line
        assert "--unknown skip, or count them with --unknown count" in line
        assert "\x1b" not in line


def test_the_lines_before_an_unknown_character_are_scored(model: Path, tmp_path: Path) -> None:
    given = TEXT_LINES + "Ж\n" + TEXT_LINES
    done = charrnn("score", model, "--per-line", "--unknown", "error", cwd=tmp_path, input=given)
    assert done.returncode == 1
    assert done.stdout == scored(LINES, fresh(model))
    assert done.stderr.startswith(f"charrnn: line {len(LINES) + 1}: the model has never seen 'Ж'")


def test_unknown_characters_can_be_skipped(model: Path, tmp_path: Path) -> None:
    given = OPENING.replace(" ", " Ж", 3)
    done = score(model, "--unknown", "skip", "--json", cwd=tmp_path, input=given)
    assert objects(done) == [api.score(loaded(model), OPENING).as_dict() | {"unknown": 3}]
    assert done.stderr == "skipped characters that the model has never seen: 3\n"
    assert score(model, "--unknown", "skip", "--quiet", cwd=tmp_path, input=given).stderr == ""
    lines = score(model, "--unknown", "skip", "--per-line", cwd=tmp_path, input="Жa truth\nЖ\n")
    found = list(api.score_lines(loaded(model), ["a truth\n", "\n"]))
    assert lines.stdout == scored(["Жa truth", "Ж"], found)
    assert lines.stderr.endswith("never seen: 2\n")
    assert "none of its characters" in error_line(charrnn("score", model, "--unknown=skip", cwd=tmp_path, input="Ж"), 1)


def test_a_model_without_a_newline_scores_lines_without_their_newlines(tmp_path: Path) -> None:
    path = train_model(tmp_path, "ACGTTGCAACGGTC" * 30)
    found = score(path, "--per-line", cwd=tmp_path, input="ACGT\n\nGG\r\n").stdout
    scores = list(api.score_lines(loaded(path), ["ACGT", "", "GG"]))
    assert found == scored(["ACGT", "", "GG\r"], scores)
    assert found.splitlines()[1] == "0.0000\t"


# Errors


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("--stateful", "--stateful is for the scores of lines"),
        ("--heatmap --json", "--heatmap prints the whole text"),
        ("--heatmap --per-line", "--heatmap prints the whole text"),
        ("--heatmap --top 3", "--heatmap prints the whole text"),
        ("--heatmap --above 3", "--heatmap prints the whole text"),
        ("--above 3 --below 2", "no line is --above 3 and --below 2"),
        ("--above 2 --below 2", "no line is --above 2 and --below 2"),
        ("--above nan", "--above must be"),
        ("--below -1", "--below must be"),
        ("--above odd", "--above"),
        ("--top 0", "--top must be at least 1"),
        ("--top many", "--top"),
        ("--unknown replace", "unknown can't be 'replace'"),
        ("--engine foo", "--engine can't be 'foo'"),
        ("corpus.txt model.safetensors", "charrnn score model.safetensors corpus.txt"),
        ("--frobnicate", "--frobnicate"),
    ],
)
def test_wrong_usage_is_an_error_in_one_line(args: str, says: str, model: Path) -> None:
    assert says in error_line(charrnn("score", *args.split(), cwd=model.parent), 2)


def test_an_error_names_what_is_missing(model: Path, tmp_path: Path) -> None:
    for options in ([], ["--per-line"], ["--heatmap"]):
        line = error_line(charrnn("score", model, *options, "-", "missing.txt", cwd=tmp_path, input="a"), 1)
        assert "missing.txt: No such file" in line
    assert "there is no m.safetensors" in error_line(charrnn("score", "m.safetensors", cwd=tmp_path, input="a"), 1)
    (tmp_path / "empty").mkdir()
    assert "holds no files" in error_line(charrnn("score", model, "empty", cwd=tmp_path), 1)


def test_options_can_come_from_the_environment(model: Path, tmp_path: Path) -> None:
    env = {"CHARRNN_SCORE_JSON": "1", "CHARRNN_SCORE_TOP": "2"}
    found = objects(score(model, cwd=tmp_path, env=env, input=TEXT_LINES))
    assert found == objects(score(model, "--json", "--top", 2, cwd=tmp_path, input=TEXT_LINES))
    assert len(found) == 2


# Heatmap

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_without_a_terminal_the_heatmap_has_no_colours(model: Path, tmp_path: Path) -> None:
    done = score(model, "--heatmap", cwd=tmp_path, input=OPENING)
    assert done.stdout == OPENING
    legend, why = done.stderr.splitlines()
    assert legend.startswith("surprisal in bits:")
    assert "FORCE_COLOR" in why
    assert score(model, "--heatmap", "--quiet", cwd=tmp_path, input=OPENING).stderr == ""


def test_each_character_has_the_colour_of_its_surprisal(model: Path, tmp_path: Path) -> None:
    env = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = score(model, "--heatmap", cwd=tmp_path, env=env, input=OPENING)
    assert COLOUR.sub("", done.stdout) == OPENING
    assert "no colours" not in done.stderr
    shown = coloured(done.stdout)
    legend = coloured(done.stderr.splitlines()[0])
    starts = (0, 1, 2, 4, 6, 9)
    colours = dict.fromkeys(colour for _, colour in legend)
    assert len(colours) == len(starts)  # the first is none
    for (c, colour), nats in zip(shown, api.surprisal(loaded(model), OPENING), strict=True):
        level = sum(nats / math.log(2) >= start for start in starts) - 1
        near = any(abs(nats / math.log(2) - start) < 1e-4 for start in starts)
        assert near or c == "\n" or colour == [*colours][level]


def coloured(text: str) -> list[tuple[str, str]]:
    """The characters of a terminal's text, each with the escape sequence that is in force."""
    found, colour = [], ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        if part.startswith("\x1b"):
            colour = "" if part == "\x1b[0m" else part
        else:
            found += [(c, colour) for c in part]
    return found


def heatmap_on_a_terminal(path: Path, given: bytes, cwd: Path, env: dict[str, str]) -> tuple[str, str]:
    """The output of `--heatmap` on a terminal, and its stderr."""
    args = ("score", path, "--heatmap", "--engine", "numpy")
    return on_a_terminal(*args, given=given, cwd=cwd, env={"TERM": "xterm-256color"} | env)


@posix
def test_on_a_terminal_there_are_colours_unless_no_color_is_set(model: Path, tmp_path: Path) -> None:
    shown, notices = heatmap_on_a_terminal(model, OPENING.encode(), tmp_path, {})
    assert COLOUR.sub("", shown) == OPENING
    assert len(COLOUR.findall(shown)) > 100
    assert notices.startswith("surprisal in bits:")
    shown, notices = heatmap_on_a_terminal(model, OPENING.encode(), tmp_path, {"NO_COLOR": "1"})
    assert shown == OPENING
    assert "\x1b" not in notices
    assert "NO_COLOR" in notices


@posix
def test_a_terminal_gets_a_newline_at_the_end_and_no_control_characters(of_bytes: Path, tmp_path: Path) -> None:
    text = "семья\tи\x1b[31m ".encode() + b"\xff"
    shown, _ = heatmap_on_a_terminal(of_bytes, text, tmp_path, {})
    assert COLOUR.sub("", shown) == "семья\tи\\x1b[31m \\udcff\n"


def test_the_heatmap_of_bytes_is_that_of_their_characters(of_bytes: Path, tmp_path: Path) -> None:
    done = score(of_bytes, "--heatmap", cwd=tmp_path, env={"FORCE_COLOR": "1", "TERM": "xterm-256color"}, input=RUSSIAN)
    assert COLOUR.sub("", done.stdout) == RUSSIAN
    plain = [c for c, colour in coloured(done.stdout) if colour == "" and c != "\n"]
    per_byte = iter(api.surprisal(loaded(of_bytes), RUSSIAN) / math.log(2))
    bits = [sum(next(per_byte) for _ in c.encode()) for c in RUSSIAN]
    assert len(plain) == pytest.approx(sum(b < 1 and c != "\n" for b, c in zip(bits, RUSSIAN, strict=True)), abs=2)


@posix
def test_the_heatmap_prints_a_slow_text_as_it_arrives(model: Path, tmp_path: Path) -> None:
    with started("score", model, "--heatmap", "--quiet", "--engine", "numpy", cwd=tmp_path) as process:
        assert process.stdin is not None
        for piece in (b"It is", b" a truth\n"):
            process.stdin.write(piece)
            process.stdin.flush()
            assert arrived(process) == piece


def test_skipped_characters_have_a_colour_of_their_own(model: Path, tmp_path: Path) -> None:
    env = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = score(model, "--heatmap", "--unknown", "skip", cwd=tmp_path, env=env, input="It isЖ a truth\n")
    colours = {colour for c, colour in coloured(done.stdout) if c == "Ж"}
    assert not colours & {colour for c, colour in coloured(done.stdout) if c != "Ж"}
    assert "unknown" in done.stderr.splitlines()[0]
    assert done.stderr.endswith("never seen: 1\n")


@pytest.mark.parametrize("engine", ENGINES)
def test_windows_are_read_from_a_fresh_state(engine: str, model: Path) -> None:
    (model.parent / "text.txt").write_text(TEXT * 3)
    args = ("model.safetensors", "text.txt", "--json", "--engine", engine)
    shown = json.loads(charrnn("score", *args, "--windows", 32, cwd=model.parent).stdout)
    found = score_windows(loaded(model), TEXT * 3, 32)
    assert (shown["chars"], shown["nats_per_char"]) == (len(TEXT) * 3, pytest.approx(found.nats_per_char, rel=1e-4))
    assert shown["nats_per_char"] > json.loads(charrnn("score", *args, cwd=model.parent).stdout)["nats_per_char"]
    longest = charrnn("score", *args, "--windows", 2**53, cwd=model.parent).stdout
    assert longest == charrnn("score", *args, cwd=model.parent).stdout
    for n in (0, 2**53 + 1, 2**63, 10**30):
        assert "--windows must be" in error_line(charrnn("score", *args, "--windows", n, cwd=model.parent), 2)
