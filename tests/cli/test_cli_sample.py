"""`charrnn sample` as a process: only the text on stdout, the same for the same seed, endless on request."""

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess

import pytest

import charrnn as api
from charrnn.cli.sample.primes import clean_prime
from support.processes import TEXT, charrnn, command, environment, error_line, posix, raw, started, train_model
from support.random_models import random_model

RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 8
PROMISED = {"text", "prime", "seed", "temp", "logprob", "bpc"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("russian"), RUSSIAN)


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("bytes"), b"\xff\xfe\x00" * 50, "--bytes", "--lr", 0.02, steps=100)


def sample(*args: object, cwd: Path, **options: object) -> CompletedProcess[str]:
    """A run that succeeds."""
    done = charrnn("sample", *args, cwd=cwd, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def objects(done: CompletedProcess[str]) -> list[dict[str, object]]:
    """The objects that `--json` printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


# The text


def test_stdout_has_the_requested_characters_and_nothing_else(model: Path, tmp_path: Path) -> None:
    done = sample(model, "-n", 2000, cwd=tmp_path)
    assert len(done.stdout) == 2000
    assert set(done.stdout) <= set(TEXT)


def test_a_length_of_0_prints_nothing(model: Path, tmp_path: Path) -> None:
    assert sample(model, "-n", 0, cwd=tmp_path).stdout == ""


def test_the_text_is_that_of_the_library(model: Path, tmp_path: Path) -> None:
    written = sample(model, "-n", 300, "--seed", 3, "--engine", "numpy", cwd=tmp_path).stdout
    assert written == "".join(api.generate(api.load(model).model, length=300, seed=3))


@pytest.mark.parametrize("options", [("--count", 40, "-n", 20), ("-n", 50), ("--count", 3, "--json", "-n", 20)])
def test_the_text_does_not_depend_on_the_number_of_threads(
    options: tuple[object, ...], model: Path, tmp_path: Path
) -> None:
    args = (model, "--seed", 1, "--engine", "numpy", *options)
    usual, *others = (sample(*args, *words, cwd=tmp_path).stdout for words in ((), ("--threads", 1), ("--threads", 3)))
    assert others == [usual, usual]


def test_the_same_seed_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    first, again, other = (
        sample(model, "-n", 500, "--seed", seed, cwd=tmp_path, new=True).stdout for seed in (5, 5, 6)
    )
    assert first == again != other


def test_the_shorter_text_is_the_beginning_of_the_longer(model: Path, tmp_path: Path) -> None:
    short, long = (sample(model, "-n", n, "--seed", 5, cwd=tmp_path).stdout for n in (100, 600))
    assert long.startswith(short)


@pytest.mark.parametrize("options", [["--temp", "0"], ["--top-k", "1"], ["--top-p", "1e-9"], ["--min-p", "1"]])
def test_if_only_the_likeliest_character_may_come_the_seed_does_not_matter(
    options: list[str], model: Path, tmp_path: Path
) -> None:
    texts = {sample(model, "-n", 100, "--seed", seed, *options, cwd=tmp_path).stdout for seed in (1, 2)}
    greedy = api.generate(api.load(model).model, length=100, config=api.SamplingConfig(temp=0))
    assert texts == {"".join(greedy)}


# Notices


def test_the_model_and_the_seed_are_printed_on_stderr(model: Path) -> None:
    folder = model.parent / "place"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "m.safetensors").write_bytes(model.read_bytes())
    done = sample("-n", 50, cwd=folder)
    named, seed = done.stderr.splitlines()
    assert named == f"model: {Path('checkpoints', 'm.safetensors')}"
    assert seed.startswith("seed: ")
    again = sample("-n", 50, "--seed", seed.removeprefix("seed: "), cwd=folder)
    assert again.stdout == done.stdout
    assert sample("-n", 50, "--quiet", cwd=folder).stderr == ""


def test_nothing_is_printed_on_stderr_if_model_and_seed_are_given(model: Path, tmp_path: Path) -> None:
    assert sample(model, "-n", 5, "--seed", 1, cwd=tmp_path).stderr == ""


def test_each_run_draws_another_seed(model: Path, tmp_path: Path) -> None:
    assert len({sample(model, "-n", 50, cwd=tmp_path).stdout for _ in range(3)}) > 1


def test_the_default_model_is_the_newest(model: Path, russian: Path, tmp_path: Path) -> None:
    folder, now = tmp_path / "checkpoints", time.time()
    folder.mkdir()
    for age, (name, source) in enumerate((("b", russian), ("c", model), ("a", model), ("b.resume", model))):
        path = folder / f"{name}.safetensors"
        path.write_bytes(source.read_bytes())
        os.utime(path, (now - age, now - age))
    os.utime(folder / "b.resume.safetensors", (now + 10, now + 10))
    done = sample("-n", 20, cwd=tmp_path)
    assert f"model: {Path('checkpoints', 'b.safetensors')}" in done.stderr
    assert set(done.stdout) <= set(RUSSIAN)


def test_options_come_from_the_environment(model: Path, tmp_path: Path) -> None:
    env = {"CHARRNN_SAMPLE_SEED": "9", "CHARRNN_SAMPLE_LENGTH": "30", "CHARRNN_SAMPLE_TEMP": "0.5"}
    given = sample(model, "--seed", 9, "-n", 30, "--temp", 0.5, cwd=tmp_path)
    assert sample(model, cwd=tmp_path, env=env).stdout == given.stdout
    (drawn,) = objects(sample(model, cwd=tmp_path, env=env | {"CHARRNN_SAMPLE_JSON": "1"}))
    assert (drawn["text"], drawn["seed"], drawn["temp"]) == (given.stdout, 9, 0.5)


# JSON, and several samples


def test_json_has_the_likelihood_of_the_text(model: Path, tmp_path: Path) -> None:
    (drawn,) = objects(sample(model, "-n", 200, "--seed", 4, "--temp", 0.7, "--json", cwd=tmp_path))
    assert set(drawn) >= PROMISED
    assert (drawn["seed"], drawn["temp"], drawn["prime"]) == (4, 0.7, "")
    assert len(drawn["text"]) == 200
    assert drawn["bpc"] == pytest.approx(-drawn["logprob"] / math.log(2) / 200)
    found = api.score(api.load(model).model, drawn["text"])
    assert drawn["logprob"] == pytest.approx(-found.nats, rel=1e-4)
    assert drawn["text"] == sample(model, "-n", 200, "--seed", 4, "--temp", 0.7, cwd=tmp_path).stdout


def test_the_likelihood_excludes_the_prime(model: Path, tmp_path: Path) -> None:
    prime = "It is a truth "
    (drawn,) = objects(sample(model, "-n", 50, "--seed", 4, "--prime", prime, "--json", cwd=tmp_path))
    assert drawn["prime"] == prime
    assert len(drawn["text"]) == 50
    loaded = api.load(model).model
    both, alone = (api.score(loaded, text).nats for text in (prime + drawn["text"], prime))
    assert drawn["logprob"] == pytest.approx(alone - both, rel=1e-4)


def test_each_of_several_samples_is_that_of_its_own_seed(model: Path, tmp_path: Path) -> None:
    several = objects(sample(model, "--count", 3, "--seed", 5, "-n", 60, "--json", cwd=tmp_path))
    assert [drawn["seed"] for drawn in several] == [5, 6, 7]
    for drawn in several:
        (alone,) = objects(sample(model, "--seed", drawn["seed"], "-n", 60, "--json", cwd=tmp_path))
        assert alone["text"] == drawn["text"]
        assert alone["logprob"] == pytest.approx(drawn["logprob"], rel=1e-4)


def test_each_of_several_samples_ends_with_a_newline(model: Path, tmp_path: Path) -> None:
    drawn = objects(sample(model, "--count", 3, "--seed", 5, "-n", 40, "--prime", "It", "--json", cwd=tmp_path))
    plain = sample(model, "--count", 3, "--seed", 5, "-n", 40, "--prime", "It", cwd=tmp_path).stdout
    lines = ["It" + d["text"] for d in drawn]
    assert plain == "".join(line if line.endswith("\n") else line + "\n" for line in lines)


# Primes


def test_a_prime_is_printed_and_continued(model: Path, tmp_path: Path) -> None:
    prime = "It is a truth"
    written = sample(model, "-n", 80, "--seed", 1, "--prime", prime, cwd=tmp_path).stdout
    assert written == prime + "".join(api.generate(api.load(model).model, prime=prime, length=80, seed=1))
    assert written != prime + sample(model, "-n", 80, "--seed", 1, cwd=tmp_path).stdout


def test_a_prime_may_come_from_stdin_or_from_a_file(model: Path, tmp_path: Path) -> None:
    prime = TEXT[:300]
    (tmp_path / "prime.txt").write_text("\ufeff" + prime, encoding="utf-8", newline="\r\n")
    named = sample(model, "-n", 80, "--seed", 1, "--prime", prime, cwd=tmp_path).stdout
    assert sample(model, "-n", 80, "--seed", 1, "--prime", "-", cwd=tmp_path, input=prime).stdout == named
    assert sample(model, "-n", 80, "--seed", 1, "--prime-file", "prime.txt", cwd=tmp_path).stdout == named


@pytest.mark.parametrize("options", [["--prime", "-"], ["--prime-file", "prime"]], ids=["stdin", "file"])
def test_a_model_of_bytes_continues_the_exact_bytes(options: list[str], of_bytes: Path, tmp_path: Path) -> None:
    prime = b"\xef\xbb\xbfone\r\ntwo\rthree\n\0\xff\xd0"
    (tmp_path / "prime").write_bytes(prime)
    args = ("sample", of_bytes, "-n", 60, "--seed", 1, "--temp", 2, *options)
    done = charrnn(*args, cwd=tmp_path, input=prime)
    assert (done.returncode, done.stderr) == (0, "")
    model, hot = api.load(of_bytes).model, api.SamplingConfig(temp=2)
    text = "".join(api.generate(model, prime=prime, length=60, seed=1, config=hot))
    assert raw(done.stdout) == prime + raw(text)
    (drawn,) = objects(charrnn(*args, "--json", cwd=tmp_path, input=prime))
    assert (raw(drawn["prime"]), drawn["text"]) == (prime, text)
    both, alone = (api.score(model, read).nats for read in (prime + raw(text), prime))
    assert drawn["logprob"] == pytest.approx(alone - both, rel=1e-4)


@pytest.mark.parametrize(
    ("prime", "named"),
    [("Ж", "U+0416 CYRILLIC CAPITAL LETTER ZHE"), ("a\x1b[31m", "U+001B"), ("👩", "U+1F469"), ("0123", "U+0030")],
)
def test_a_prime_with_unknown_characters_is_an_error(prime: str, named: str, model: Path, tmp_path: Path) -> None:
    line = error_line(charrnn("sample", model, "--seed", 1, "--prime", prime, cwd=tmp_path), 1)
    assert named in line
    assert "\x1b" not in line


@pytest.mark.parametrize("options", [["--json"], ["--count", "2"], ["--count", "2", "--json"]])
def test_a_prime_with_unknown_characters_is_an_error_before_anything_is_printed(
    options: list[str], model: Path, tmp_path: Path
) -> None:
    assert "U+0416" in error_line(charrnn("sample", model, "--seed", 1, "--prime", "Ж", *options, cwd=tmp_path), 1)


@pytest.mark.parametrize(("characters", "advised"), [("ab", True), (None, False)])
def test_unknown_is_advised_only_for_models_of_characters(characters: str | None, advised: bool) -> None:
    with pytest.raises(api.VocabularyError) as error:
        clean_prime("\ud800", random_model(characters=characters), "error", print)
    assert ("--unknown skip" in str(error.value)) == advised


# Errors


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("--temp -1", "temp must be"),
        ("--temp nan", "temp must be"),
        ("--temp warm", "--temp"),
        ("--top-p 0", "--top-p must be"),
        ("--top-p 1.5", "--top-p must be"),
        ("--min-p 2", "--min-p must be"),
        ("--top-k -1", "--top-k must be"),
        ("--count 0", "count must be"),
        ("-n -2", "length can't be -2"),
        ("-n many", "--length can't be 'many': give a whole number"),
        ("--count 2 -n -1", "need an end"),
        ("--json -n -1", "need an end"),
        ("--seed -1", "seed must be"),
        ("--prime a --prime-file corpus.txt", "--prime and --prime-file"),
        ("--frobnicate", "--frobnicate"),
    ],
)
def test_wrong_usage_is_an_error_in_one_line(args: str, says: str, model: Path) -> None:
    options = args.split() if "--seed" in args else [*args.split(), "--seed", "1"]
    assert says in error_line(charrnn("sample", model, *options, cwd=model.parent), 2)


def test_an_unknown_engine_is_an_error(model: Path, tmp_path: Path) -> None:
    assert "--engine can't be 'foo'" in error_line(charrnn("sample", model, "--engine", "foo", cwd=tmp_path), 2)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "folder", "resume", "header"])
def test_a_file_that_is_not_a_model_is_an_error_in_one_line(damage: str, model: Path, tmp_path: Path) -> None:
    path, whole = tmp_path / "m.safetensors", model.read_bytes()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text(TEXT)
        case "cut":
            path.write_bytes(whole[:-100])
        case "folder":
            path.mkdir()
        case "resume":
            path.write_bytes((model.parent / "model.resume.safetensors").read_bytes())
        case "header":
            path.write_bytes(whole.replace(b"lstm", b"bstm", 1))
    line = error_line(charrnn("sample", path, "--seed", 1, cwd=tmp_path), 1)
    assert "m.safetensors" in line


@pytest.mark.parametrize("prime", ["missing.txt", "."])
def test_a_prime_file_that_can_not_be_read_is_an_error(prime: str, model: Path, tmp_path: Path) -> None:
    line = error_line(charrnn("sample", model, "--seed", 1, "--prime-file", prime, cwd=tmp_path), 1)
    assert prime in line


# Bytes and encodings


def test_a_model_of_bytes_prints_raw_bytes(of_bytes: Path, tmp_path: Path) -> None:
    done = sample(of_bytes, "-n", 600, "--temp", 0, "--prime-file", of_bytes.parent / "corpus.txt", cwd=tmp_path)
    corpus = (of_bytes.parent / "corpus.txt").read_bytes()
    written = raw(done.stdout)
    assert len(written) == len(corpus) + 600
    assert written.startswith(corpus)
    assert b"\xff\xfe\x00\xff\xfe\x00" in written[len(corpus) :]


def test_json_preserves_the_bytes(of_bytes: Path, tmp_path: Path) -> None:
    plain = sample(of_bytes, "-n", 200, "--seed", 1, cwd=tmp_path)
    (drawn,) = objects(sample(of_bytes, "-n", 200, "--seed", 1, "--json", cwd=tmp_path))
    assert raw(drawn["text"]) == raw(plain.stdout)
    assert len(raw(plain.stdout)) == 200


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_text_is_printed_in_utf8_in_every_locale(env: dict[str, str], russian: Path, tmp_path: Path) -> None:
    expected = sample(russian, "-n", 100, "--seed", 1, cwd=tmp_path).stdout
    assert not expected.isascii()
    done = sample(russian, "-n", 100, "--seed", 1, cwd=tmp_path, env=env)
    assert raw(done.stdout).decode() == expected
    several = sample(russian, "-n", 100, "--seed", 1, "--count", 2, cwd=tmp_path, env=env)
    assert raw(several.stdout).decode().startswith(expected)


@posix
def test_a_prime_is_read_in_utf8_in_every_locale(russian: Path, tmp_path: Path) -> None:
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = sample(russian, "-n", 10, "--seed", 1, "--prime", "-", cwd=tmp_path, input="Все", env=env)
    assert raw(done.stdout).decode().startswith("Все")


# Streams


@posix
def test_a_pipe_that_closes_ends_an_endless_text(model: Path, tmp_path: Path) -> None:
    line = " ".join(command("sample", model, "-n", "-1")) + " | head -c 2000"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, timeout=60)
    assert done.returncode == 0
    assert len(done.stdout) == 2000
    notices = [line for line in done.stderr.decode().splitlines() if not line.startswith("compiling the numba engine")]
    assert [line.partition(" ")[0] for line in notices] == ["seed:"]


@posix
def test_a_pipe_that_closes_leaves_a_state_that_can_be_continued(model: Path, tmp_path: Path) -> None:
    options = ("--seed", "1", "--engine", "numpy")
    line = " ".join(command("sample", model, "-n", "-1", *options, "--state-out", "st")) + " | head -c 2000"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, timeout=60)
    assert done.returncode == 0
    rest = sample(model, "-n", 50, "--state-in", "st", "--engine", "numpy", cwd=tmp_path).stdout
    for n in (20_000, 120_000):  # mostly the first is enough; a pipe takes some 64 KB before it is known to be closed
        whole = sample(model, "-n", n, *options, cwd=tmp_path).stdout
        assert whole.startswith(done.stdout.decode())
        if rest in whole[2000:]:
            return
    pytest.fail("the text does not continue")


@posix
def test_an_interrupted_endless_text_ends_quietly(model: Path, tmp_path: Path) -> None:
    options = ("--seed", 1, "--engine", "numpy")
    with started("sample", model, "-n", "-1", *options, cwd=tmp_path) as process:
        first = process.stdout.read(100)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""
    whole = sample(model, "-n", len(first + rest), *options, cwd=tmp_path).stdout
    assert (first + rest).decode() == whole


@posix
def test_text_is_printed_as_it_is_drawn(model: Path, tmp_path: Path) -> None:
    with started("sample", model, "-n", "-1", "--seed", 1, "--engine", "numpy", cwd=tmp_path) as process:
        assert os.read(process.stdout.fileno(), 1 << 20)
        assert process.poll() is None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"], ["--count", "3"], ["-n", "-1"]])
def test_a_full_disk_is_an_error_in_one_line(options: list[str], model: Path, tmp_path: Path) -> None:
    args = command("sample", model, "--seed", 1, "--engine", "numpy", *options)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(args, cwd=tmp_path, env=environment(), stdout=full, stderr=PIPE, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("charrnn: ")
    assert "No space left on device" in line


@posix
def test_stdin_may_be_empty_or_closed(model: Path, tmp_path: Path) -> None:
    expected = sample(model, "-n", 50, "--seed", 1, cwd=tmp_path).stdout.encode()
    args = command("sample", model, "-n", 50, "--seed", 1)
    done = subprocess.run(args, cwd=tmp_path, env=environment(), stdin=DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, expected)
    shell = " ".join(args) + " <&-"
    done = subprocess.run(shell, shell=True, cwd=tmp_path, env=environment(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, expected)


@posix
def test_on_a_terminal_the_text_ends_with_a_newline(model: Path, tmp_path: Path) -> None:
    import pty

    terminal, program = pty.openpty()
    args = command("sample", model, "-n", 10, "--temp", 0, "--quiet", "--prime", "It is")
    subprocess.run(args, cwd=tmp_path, env=environment(), stdout=program, stderr=PIPE, check=True, timeout=60)
    os.close(program)
    shown = os.read(terminal, 1000).decode()
    os.close(terminal)
    piped = sample(model, "-n", 10, "--temp", 0, "--quiet", "--prime", "It is", cwd=tmp_path).stdout
    assert shown.replace("\r\n", "\n") == (piped if piped.endswith("\n") else piped + "\n")
