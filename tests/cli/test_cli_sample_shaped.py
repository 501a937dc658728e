"""The options of `charrnn sample` that constrain a text or continue one: match, ban, copies, stops, lines, states."""

import json
import os
import re
import subprocess
from pathlib import Path
from subprocess import PIPE, CompletedProcess

import pytest

from support.processes import TEXT, charrnn, command, environment, error_line, posix, started, train_model

pytest.importorskip("regex")
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"), TEXT, "--lr", 0.02, steps=150)


@pytest.fixture(scope="module")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("russian"), RUSSIAN)


def sample(*args: object, cwd: Path, **options: object) -> CompletedProcess[str]:
    done = charrnn("sample", *args, "--engine", "numpy", cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    return done


def test_each_line_matches_as_a_whole(model: Path, tmp_path: Path) -> None:
    done = sample(model, "--match", "[a-z]{3,8} [a-z]+", "--stop-at-newline", "-c", 10, "--seed", 1, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch("[a-z]{3,8} [a-z]+", line) for line in lines)


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("[a-z]{3}", ()),
        (r"[a-z ]+\.", ()),
        ("[a-z ]+", ("--stop", ".")),
        ("[a-e]{2,}x|[a-z]{2}", ("--allow", "a-w")),
        ("[a-z]{4}( [a-z]{2}){0,9},", ("--min-length", 9)),
    ],
)
def test_a_match_without_a_length_is_written_up_to_where_it_ends(
    model: Path, tmp_path: Path, pattern: str, options: tuple[object, ...]
) -> None:
    found = [
        sample(model, "--match", pattern, "-n", -1, "--seed", 4, *options, *more, cwd=tmp_path).stdout
        for more in ((), ("--json",), ("--count", 2, "--null"), ("--prime", "It is", "--no-echo"))
    ]
    assert found[2].split("\0")[0] == found[0]
    texts = [found[0], json.loads(found[1])["text"], *found[2].split("\0")[:2], found[3]]
    assert texts[0] == texts[1]
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert all(len(text) >= (9 if "--min-length" in options else 1) for text in texts)


@posix
def test_a_match_that_can_not_fail_is_written_as_it_is_drawn(model: Path, tmp_path: Path) -> None:
    words = ["sample", str(model), "-n", "2000000", "--match", "[a-z]*", "--seed", "1", "--engine", "numpy"]
    with started(*words, cwd=tmp_path) as process:
        assert re.fullmatch(b"[a-z]+", process.stdout.read(100))
        assert process.poll() is None


def test_a_range_of_cyrillic_letters_can_be_allowed_or_banned(russian: Path, tmp_path: Path) -> None:
    done = sample(russian, "--allow", "а-я ", "-n", 200, "--seed", 1, cwd=tmp_path)
    assert re.fullmatch("[а-я ]{200}", done.stdout)
    assert "а" not in sample(russian, "--ban", "а", "-n", 200, "--seed", 1, cwd=tmp_path).stdout


def test_no_long_piece_of_the_corpus_is_copied(model: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    options = ("--temp", 0.3, "-n", 300, "--seed", 1)
    free = sample(model, *options, cwd=tmp_path).stdout
    text = sample(model, *options, "--max-copy", 6, "--corpus", "corpus.txt", cwd=tmp_path).stdout
    assert any(free[n : n + 7] in TEXT for n in range(294))
    assert not any(text[n : n + 7] in TEXT for n in range(294))


def test_texts_end_before_a_newline_or_a_stop_text(model: Path, tmp_path: Path) -> None:
    whole = sample(model, "-n", 400, "--seed", 2, cwd=tmp_path).stdout
    assert sample(model, "--stop-at-newline", "-n", 400, "--seed", 2, cwd=tmp_path).stdout == whole.split("\n")[0]
    ended = sample(model, "--stop", " of", "--stop", "q", "-n", 400, "--seed", 2, cwd=tmp_path).stdout
    assert ended == re.split(" of|q", whole)[0]


def test_the_temperature_can_change_along_the_text(model: Path, tmp_path: Path) -> None:
    text = sample(model, "--temp", "0:3", "-n", 400, "--seed", 2, cwd=tmp_path).stdout
    assert text[:3] == sample(model, "--temp", 0, "-n", 3, cwd=tmp_path).stdout
    assert len(set(text[-200:])) > len(set(text[:200]))


def test_each_line_is_continued(model: Path, tmp_path: Path) -> None:
    done = sample(model, "--prime", "-", "--per-line", "-n", 50, "--seed", 4, cwd=tmp_path, input="the\r\nman\n\nwife")
    lines = done.stdout.splitlines()
    assert [line[:3] for line in (lines[0], lines[1], lines[3])] == ["the", "man", "wif"]
    assert len(lines) == 4
    for n, prime in enumerate(("the", "man", "", "wife")):
        assert (
            lines[n]
            == sample(model, "--prime", prime, "--stop-at-newline", "-n", 50, "--seed", 4 + n, cwd=tmp_path).stdout
        )


def test_each_line_gives_a_line_even_if_both_are_empty(model: Path, tmp_path: Path) -> None:
    done = sample(model, "--prime", "-", "--per-line", "-n", 0, "--seed", 1, cwd=tmp_path, input="the\n\n\nman\n")
    assert done.stdout == "the\n\n\nman\n"
    assert sample(model, "-c", 3, "-n", 0, "--seed", 1, cwd=tmp_path).stdout == "\n\n\n"


@posix
def test_each_line_is_continued_as_soon_as_it_arrives(model: Path, tmp_path: Path) -> None:
    args = (model, "--prime", "-", "--per-line", "-n", 20, "--quiet", "--engine", "numpy")
    with started("sample", *args, cwd=tmp_path) as process:
        for prime in (b"the\n", b"man\n"):
            process.stdin.write(prime)
            assert process.stdout.readline().startswith(prime.strip())
        process.stdin.close()
        assert process.wait(timeout=30) == 0


@posix
def test_one_run_can_continue_the_lines_of_another(model: Path, tmp_path: Path) -> None:
    first = " ".join(command("sample", model, "--stop-at-newline", "-c", 8, "-n", 20, "--seed", 1, "--quiet"))
    second = " ".join(command("sample", model, "--prime", "-", "--per-line", "-n", 20, "--seed", 1, "--quiet"))
    line = f"{first} | {second} | tee copy.txt | head -n 5"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 5


def test_a_saved_state_continues_the_text(model: Path, tmp_path: Path) -> None:
    whole = sample(model, "-n", 300, "--seed", 9, cwd=tmp_path).stdout
    today = sample(model, "-n", 120, "--seed", 9, "--state-out", "text.state", cwd=tmp_path).stdout
    tomorrow = sample(model, "-n", 180, "--state-in", "text.state", cwd=tmp_path).stdout
    assert today + tomorrow == whole
    line = error_line(charrnn("sample", model, "--state-out", "text.state", cwd=tmp_path), 1)
    assert "text.state exists" in line


@posix
def test_the_state_overwrites_no_model_and_no_device(model: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    assert "this command reads" in error_line(
        charrnn("sample", model, "--state-out", model, "--force", cwd=tmp_path), 1
    )
    assert model.read_bytes() == before
    os.mkfifo(tmp_path / "fifo")
    for path in ("fifo", "."):
        assert "is not a file" in error_line(charrnn("sample", model, "--state-out", path, "--force", cwd=tmp_path), 1)
    assert (tmp_path / "fifo").is_fifo()
    (tmp_path / "link").symlink_to("text.state")
    sample(model, "-n", 5, "--state-out", "link", "--force", cwd=tmp_path)
    assert (tmp_path / "link").is_symlink()
    sample(model, "-n", 5, "--state-in", "text.state", cwd=tmp_path)


def test_unknown_characters_of_a_prime_can_be_skipped_or_replaced(model: Path, tmp_path: Path) -> None:
    line = error_line(charrnn("sample", model, "--prime", "the Ω", "--quiet", cwd=tmp_path), 1)
    assert "U+03A9" in line
    assert "--unknown" in line
    done = sample(model, "--prime", "the Ω", "--unknown", "skip", "-n", 5, cwd=tmp_path)
    assert done.stdout.startswith("the ")
    assert "left out" in done.stderr
    assert sample(model, "--prime", "THÉ", "--unknown", "nearest", "-n", 5, cwd=tmp_path).stdout.startswith("tHe")


def test_logprobs_lists_the_alternatives_of_each_character(model: Path, tmp_path: Path) -> None:
    (line,) = sample(model, "--json", "--logprobs", "-n", 8, "--seed", 1, cwd=tmp_path).stdout.splitlines()
    data = json.loads(line)
    assert "".join(row["character"] for row in data["logprobs"]) == data["text"]
    assert all(len(row["top"]) == 5 for row in data["logprobs"])
    assert sum(row["logprob"] for row in data["logprobs"]) == pytest.approx(data["logprob"], abs=1e-3)


def test_interactive_mode_continues_each_prime_and_changes_settings(model: Path, tmp_path: Path) -> None:
    typed = "the\n/temp 0\nman\n/temp hot\n/top-p 7\n/loop-penalty -1\n/length 3\nman\n/help\nΩ\n"
    args = ("--interactive", "-n", 10, "--seed", 1, "--engine", "numpy")
    done = charrnn("sample", model, *args, cwd=tmp_path, input=typed)
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("the")
    assert second.startswith("man")
    greedy = sample(model, "--prime", "man", "--temp", 0, "-n", 10, cwd=tmp_path).stdout
    assert greedy in done.stdout
    for message in ("needs a number", "/top-p must be from 0 to 1", "/loop-penalty must be", "/length N", "U+03A9"):
        assert message in done.stderr
    assert done.returncode == 1
    assert sample(model, "--interactive", cwd=tmp_path, input="/quit\nthe\n").stdout == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--temp", "-1"], "temp must be"),
        (["--temp", "warm"], "--temp can't be"),
        (["--temp", "1:2", "-n", "-1"], "a --temp that changes along the text needs a --length"),
        (["--top-p", "1.5"], "--top-p must be"),
        (["--typical", "0"], "above 0"),
        (["--match", "("], "not a regular expression"),
        (["--max-copy", "5"], "--corpus"),
        (["--corpus", "x.txt"], "--max-copy"),
        (["--per-line"], "--prime -"),
        (["--per-line", "--prime", "the"], "--prime -"),
        (["--logprobs"], "--json"),
        (["--interactive", "--json"], "can't both be given"),
        (["--state-in", "x", "--count", "2"], "can't both be given"),
        (["--unknown", "guess"], "unknown can't be"),
        (["--allow", "Ω"], "leave no character"),
        (["--allow", ""], "leave out the option that is empty"),
        (["--clamp-unit", "0:1"], "LAYER:INDEX=VALUE"),
        (["--clamp-unit", "0:1=0.5", "--clamp-unit", "0:1=0.6"], "can't be clamped twice"),
        (["--clamp-unit", "0:999=0.5"], "there is no unit 0:999"),
        (["--loop-penalty", "-1"], "--loop-penalty must be"),
        (["--novel"], "need a model of lines"),
        (["--max-copy", "0", "--corpus", "text.txt"], "at least 1"),
    ],
)
def test_wrong_usage_is_an_error_in_one_line(args: list[str], says: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    assert says in error_line(charrnn("sample", model, *args, "--quiet", cwd=tmp_path), 2)


def test_a_match_that_fails_is_an_error_without_output(model: Path, tmp_path: Path) -> None:
    line = error_line(charrnn("sample", model, "--match", "[0-9]{4}", "--quiet", cwd=tmp_path), 1)
    assert "never seen [0-9]" in line
    done = charrnn("sample", model, "--match", "the [a-z]{80}", "-n", 40, "--prime", "the ", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has 84 characters" in done.stderr
    assert "give at least that as the --length" in done.stderr


@pytest.mark.parametrize("pattern", [r".*,", r"[a-z ]*the", r"(\w+ )*\w+,", r"^.*\btruth$"])
def test_a_text_finishes_within_its_length(pattern: str, model: Path, tmp_path: Path) -> None:
    done = sample(model, "--match", pattern, "-n", 60, "-c", 8, "--seed", 3, "--json", "--quiet", cwd=tmp_path)
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert len(texts) == 8
    assert all(re.fullmatch(pattern, text) and len(text) <= 60 for text in texts)


def test_one_sample_that_fails_is_reported_and_the_others_are_written(model: Path, tmp_path: Path) -> None:
    args = ("--match", r"([a-z ])[a-z]*\1", "-n", 4, "--seed", 5, "--engine", "numpy", "--json")
    done = charrnn("sample", model, "-c", 30, *args, cwd=tmp_path)
    assert done.returncode == 1
    drawn = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(re.fullmatch(r"([a-z ])[a-z]*\1", sample["text"]) for sample in drawn)
    notice, *lines, summary = done.stderr.splitlines()
    assert "a back-reference" in notice
    failed = [
        int(re.fullmatch(r"charrnn: the sample with the seed (\d+): the text does not .*", line)[1]) for line in lines
    ]
    assert sorted([*failed, *(sample["seed"] for sample in drawn)]) == list(range(5, 35))
    assert drawn
    assert failed
    assert summary.endswith(f"left out: {len(failed)}")
    alone = charrnn("sample", model, "-c", 1, *args[:4], "--seed", failed[0], *args[6:], "--quiet", cwd=tmp_path)
    assert "does not match" in error_line(alone, 1)
    primes = charrnn("sample", model, "--prime", "-", "--per-line", *args, "--quiet", cwd=tmp_path, input="a\n" * 30)
    assert primes.returncode == 1
    assert len(primes.stdout.splitlines()) + len(primes.stderr.splitlines()) == 31


@posix
def test_a_full_disk_is_an_error(model: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        args = command("sample", model, "--prime", "-", "--per-line", "--quiet")
        done = subprocess.run(
            args, input=b"the\n", cwd=tmp_path, env=environment(), stdout=full, stderr=PIPE, timeout=60
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr
