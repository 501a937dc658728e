"""How `charrnn sample` is asked: escapes, where texts end, what is printed of them, and the interactive mode."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from charrnn.cli.sample.commands import parse
from charrnn.cli.sample.line_input import LineInput
from charrnn.cli.sample.settings import Settings
from charrnn.dataset.record_form import LINES, RecordForm
from charrnn.sampling.request import SamplingRequest
from support.processes import charrnn, error_line, train_model
from support.random_models import random_model

DOCS = Path(__file__).parents[1] / "fixtures" / "docs"
TALES, NAMES, REGIONS = "tales.safetensors", "names.safetensors", "regions.safetensors"
CODE = 'print("C:\\new\\table")\nif x != "\\\\":\n    return /etc/hosts\n' * 20
"""A text with backslashes and slashes."""


def sample(*args: object, cwd: Path = DOCS, seed: object = 1, **options: object) -> CompletedProcess[str]:
    """A run that succeeds, or that has told what failed in its interactive mode."""
    done = charrnn("sample", *args, "--seed", seed, "--engine", "numpy", cwd=cwd, **options)
    failed = "--interactive" in args and "charrnn: " in done.stderr
    assert done.returncode == failed, done.stderr
    return done


def written(*args: object, **options: object) -> str:
    """What such a run writes, without a word on stderr."""
    done = sample(*args, **options)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def whole() -> str:
    """A long text, of which many others are the beginning."""
    return written(TALES, "-n", 600)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows backslashes and slashes."""
    return train_model(tmp_path_factory.mktemp("code"), CODE, steps=5)


# Escapes


def test_an_escape_is_the_character_that_it_stands_for(whole: str) -> None:
    assert written(TALES, "--prime", r"LOWE:\n", "-n", 30) == written(TALES, "--prime", "LOWE:\n", "-n", 30)
    assert written(TALES, "--prime", r"\u0054he\U00000020", "-n", 9) == written(TALES, "--prime", "The ", "-n", 9)
    assert written(TALES, "--stop", r"\n\n", "-n", 600) == whole.split("\n\n")[0]
    assert written(TALES, "--stop", r"\u0063lass", "-n", 600) == whole.split("class")[0]
    for option in ("--allow", "--ban"):
        escaped, plain = (written(TALES, option, text, "-n", 60) for text in (r"\n\u0061-\U00000066 ", "\na-f "))
        assert escaped == plain


@pytest.mark.parametrize(("classes", "pattern"), [(r"\w", r"\w"), (r"\w\s", r"[\w\s]"), (r"\s.", r"[\s.]")])
def test_the_classes_are_those_of_regular_expressions(classes: str, pattern: str) -> None:
    assert re.fullmatch(f"{pattern}+", written(TALES, "--allow", classes, "-n", 200))
    assert not re.search(pattern, written(TALES, "--ban", classes, "-n", 200))


def test_a_banned_digit_class_leaves_the_letter(code: Path) -> None:
    text = written(code, "--allow", r"\w", "--ban", r"\d", "-n", 300)
    assert "d" in written(TALES, "--ban", r"\d", "-n", 300)
    assert text.isalpha()


@pytest.mark.parametrize("prime", [r"C:\new", r"\\", r"x != \\n", "\\"])
def test_files_stdin_and_lines_are_read_as_they_are(prime: str, code: Path, tmp_path: Path) -> None:
    doubled = prime.replace("\\", "\\\\")
    wanted = written(code, "--prime", doubled, "-n", 20)
    assert wanted.startswith(prime)
    (tmp_path / "prime.txt").write_text(prime)
    assert written(code, "--prime-file", tmp_path / "prime.txt", "-n", 20) == wanted
    assert written(code, "--prime", "-", "-n", 20, input=prime) == wanted
    assert written(code, "--prime", "-", "--per-line", "-n", 0, input=prime) == prime + "\n"


def test_a_label_is_read_as_it_is() -> None:
    line = error_line(charrnn("sample", REGIONS, "--label", r"Wa\nles", "--seed", 1, cwd=DOCS), 2)
    assert r"'Wa\\nles'" in line


@pytest.mark.parametrize(
    ("name", "value", "args"),
    [
        ("PRIME", r"ILSE:\n", ["--prime", r"ILSE:\n"]),
        ("STOP", r"\n\n", ["--stop", r"\n\n"]),
        ("STOP", " the ", ["--stop", " the "]),
        ("STOP", "e f\nwould", ["--stop", "e f", "--stop", "would"]),
        ("STOP_AFTER", "rock. ", ["--stop-after", "rock. "]),
        ("ALLOW", r"\w ", ["--allow", r"\w "]),
        ("BAN", r"\s", ["--ban", r"\s"]),
        ("SEPARATOR", r"\n\u003d\t", ["--separator", "\n=\t"]),
        ("END", "sentence", ["--end", "sentence"]),
        ("MIN_LENGTH", "20", ["--min-length", "20"]),
    ],
)
def test_the_environment_means_the_same(name: str, value: str, args: list[str]) -> None:
    env = {f"CHARRNN_SAMPLE_{name}": value}
    assert written(TALES, "-n", 120, env=env) == written(TALES, "-n", 120, *args)


def test_in_the_environment_a_wrong_escape_is_refused_too() -> None:
    env = {"CHARRNN_SAMPLE_STOP": r"a\qb"}
    line = error_line(charrnn("sample", TALES, "--seed", 1, cwd=DOCS, env=env), 2)
    assert r"--stop has the unknown escape \q" in line


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--stop", "☃"], "before '☃': the model has never seen '☃' (U+2603 SNOWMAN)"),
        (["--stop", "the ☃ж"], "before 'the ☃ж': the model has never seen '☃' (U+2603 SNOWMAN), 'ж'"),
        (["--stop-after", r"a\r\n"], r"after 'a\r\n': the model has never seen U+000D"),
        (["--stop", "абвг"], "'в' (U+0432 CYRILLIC SMALL LETTER VE) and 1 more"),
        (["--stop", "b", "--ban", "a-c"], "before 'b': --allow and --ban leave out 'b'"),
        (["--stop", "a.", "--allow", "a-z"], "before 'a.': --allow and --ban leave out '.'"),
        (["--stop-after", ".", "--allow", "a-z"], "after '.': --allow and --ban leave out '.'"),
    ],
)
def test_an_end_that_can_not_come_is_told(args: list[str], told: str) -> None:
    done = sample(TALES, "-n", 20, *args)
    assert len(done.stdout) == 20
    assert done.stderr.startswith("no text can end ")
    assert told in done.stderr
    assert sample(TALES, "-n", 20, *args, "--quiet").stderr == ""


def test_an_end_that_can_come_is_not_told() -> None:
    assert written(TALES, "-n", 200, "--allow", "a-z ", "--stop", ".")  # it need not be allowed: it is not written
    assert written(TALES, "-n", 20, "--stop", "the end", "--stop-after", r"\n")


# Ends


def test_a_text_ends_after_a_text(whole: str) -> None:
    for stop in (".", "rock.", "ferry w", r"\n\n"):
        text = stop.replace(r"\n", "\n")
        wanted = whole[: whole.index(text) + len(text)]
        assert written(TALES, "-n", 600, "--stop-after", stop) == wanted
        (drawn,) = (json.loads(line) for line in written(TALES, "-n", 600, "--stop-after", stop, "--json").splitlines())
        assert drawn["text"] == wanted


@pytest.mark.parametrize("length", [60, 200, 600])
def test_a_text_ends_with_its_last_sentence(length: int, whole: str) -> None:
    text = written(TALES, "-n", length, "--end", "sentence")
    assert whole.startswith(text)
    assert re.search(r"[.!?]\W*\Z", text)
    assert not re.search(r"[.!?][\"')\]]*\s+[A-Z]", whole[len(text) : length])


def test_texts_without_a_sentence_are_empty_and_told() -> None:
    done = sample(TALES, "-n", 12, "--end", "sentence")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "no sentence ends within 12 characters: this text is empty; give a larger --length" in done.stderr
    done = sample(TALES, "-n", 12, "--end", "sentence", "--count", 3)
    assert (done.stdout, "3 texts are empty" in done.stderr) == ("\n\n\n", True)
    done = sample(TALES, "-n", 50, "--end", "sentence", "--min-length", 45)
    assert "within 50 characters, and after the first 45: this text is empty" in done.stderr


def test_samples_as_data_and_lines_end_with_a_sentence_too() -> None:
    args = (TALES, "-n", 90, "--count", 4, "--end", "sentence")
    drawn = [json.loads(line) for line in sample(*args, "--json").stdout.splitlines()]
    alone = [sample(TALES, "-n", 90, "--end", "sentence", seed=seed).stdout for seed in range(1, 5)]
    assert [found["text"] for found in drawn] == alone
    primes = "The tide\nMarget said\n"
    done = sample(TALES, "--prime", "-", "--per-line", "-n", 300, "--end", "sentence", "--no-echo", input=primes)
    assert all(not line or line[-1] in ".!?\"')" for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("args", [["--stop", "."], ["--stop-at-newline"], ["--match", "(?s).*", "--stop", "e"]])
def test_a_text_has_its_least_length(args: list[str]) -> None:
    pytest.importorskip("regex")
    text = written(TALES, "-n", 120, "--min-length", 50, *args)
    assert 50 <= len(text) <= 120
    assert {"--stop": args[-1], "--stop-at-newline": "\n", "--match": "e"}[args[0]] not in text


def test_a_line_has_its_least_length() -> None:
    assert all(len(line) >= 20 for line in written(NAMES, "--count", 5, "--min-length", 20).splitlines())
    assert all(len(line) >= 20 for line in written(REGIONS, "--count", 5, "--min-length", 20).splitlines())


@pytest.mark.parametrize(
    "args",
    [["--stop", "rock"], ["--stop-after", "rock."], ["--end", "sentence"], ["--stop", r"\n", "--min-length", "60"]],
)
def test_the_state_is_that_at_the_end_of_the_text(args: list[str], tmp_path: Path) -> None:
    state = tmp_path / "text.state"
    text = written(TALES, "-n", 150, *args, "--state-out", state)
    assert 0 < len(text) < 150
    done = charrnn("sample", TALES, "--engine", "numpy", "-n", 100, "--state-in", state, cwd=DOCS)
    if "--min-length" not in args:
        assert written(TALES, "-n", len(text) + 100) == text + done.stdout
    else:
        assert done.stdout.startswith("\n")


# What is printed


def test_the_prime_can_be_left_out() -> None:
    args = (TALES, "--prime", "Marget ", "-n", 40)
    assert "Marget " + written(*args, "--no-echo") == written(*args)
    several, alone = written(*args, "--no-echo", "--count", 2), written(*args, "--count", 2)
    assert several == alone.replace("Marget ", "")
    names = (NAMES, "--prime", "New", "--count", 4)
    assert ["New" + line for line in written(*names, "--no-echo").splitlines()] == written(*names).splitlines()
    lines = (TALES, "--prime", "-", "--per-line", "-n", 20)
    found = written(*lines, "--no-echo", input="The \nMarget \n").splitlines()
    echoed = written(*lines, input="The \nMarget \n").splitlines()
    assert [prime + line for prime, line in zip(("The ", "Marget "), found, strict=True)] == echoed


def test_empty_samples_are_left_out() -> None:
    args = (TALES, "-n", 30, "--stop", r"\n", "--allow", r"\s\w")
    every = [json.loads(line) for line in written(*args, "--count", 100, "--json").splitlines()]
    wanted = [found for found in every if found["text"].strip()][:20]
    assert any(not found["text"] for found in every[: wanted[-1]["seed"]])
    found = written(*args, "--count", 20, "--no-empty", "--json").splitlines()
    assert [json.loads(line)["seed"] for line in found] == [found["seed"] for found in wanted]
    plain = written(*args, "--count", 20, "--no-empty")
    assert plain.splitlines() == [found["text"] for found in wanted]
    first_empty = next(found["seed"] for found in every if not found["text"])
    after = next(found for found in every if found["seed"] > first_empty and found["text"].strip())
    done = sample(*args, "--no-empty", seed=first_empty)
    assert done.stdout == after["text"]
    assert done.stderr == f"empty texts were skipped: this is the text of seed {after['seed']}\n"


def test_empty_lines_are_left_out() -> None:
    args = (NAMES, "--count", 30, "--allow", "a-c")
    assert "" in written(*args).splitlines()
    lines = written(*args, "--no-empty").splitlines()
    assert len(lines) == 30
    assert all(line.strip() for line in lines)


# The interactive mode


def typed(*lines: str, model: object = TALES, args: tuple[object, ...] = ("-n", 30)) -> CompletedProcess[str]:
    """A conversation."""
    return sample(model, "--interactive", *args, input="".join(f"{line}\n" for line in lines))


def test_typed_escapes_are_those_of_a_prime() -> None:
    assert typed(r"ILSE:\n").stdout == written(TALES, "--prime", r"ILSE:\n", "-n", 30) + "\n"
    done = typed(r"a\qb")
    assert (done.stdout, r"charrnn: the prime has the unknown escape \q" in done.stderr) == ("", True)


@pytest.mark.parametrize("line", ["/etc/hosts", "/", "/bin", "/them 3", "/help me", "/quit now", "/ temp 0"])
def test_a_line_with_a_slash_that_is_no_command_is_text(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize("line", ["/temp 0", "/etc", "//", "/quit", "/stop", "/tempo 3"])
def test_a_second_slash_makes_any_line_text(line: str) -> None:
    assert parse("/" + line) is None


def test_text_with_slashes_is_continued(code: Path) -> None:
    shown = typed("/etc/hosts", "//quit", "/quit", "x", model=code, args=("-n", 0)).stdout
    assert shown.splitlines() == ["/etc/hosts"]  # the model knows no q
    assert typed("//return", "/etc", model=code, args=("-n", 0)).stdout.splitlines() == ["/return", "/etc"]


@pytest.mark.parametrize(
    ("lines", "prime"),
    [
        (['"""', "ILSE:", "The sea", '"""'], "ILSE:\nThe sea\n"),
        (['"""ILSE:', 'The sea"""'], "ILSE:\nThe sea"),
        (['"""The sea"""'], "The sea"),
        (['"""', "/temp 3", '/quit"""'], "/temp 3\n/quit"),
        (['"""', "", "The", "", '"""'], "\nThe\n\n"),
        (['"""C:\\new"""'], r"C:\new"),
        (['"""The', "sea"], "The\nsea"),
        (['""""""'], ""),
    ],
)
def test_several_lines_can_be_typed(lines: list[str], prime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *rest = lines
    further = iter(rest)

    def line(prompt: str) -> str:
        for found in further:
            return found
        raise EOFError

    typed = LineInput(random_model(), None, False, print)
    monkeypatch.setattr(typed, "read", line)
    assert typed.read_text(first, "the prime") == prime


def test_a_block_is_continued_and_what_follows_it_is_the_next_prime() -> None:
    shown = typed('"""', "ILSE:", "The ", '"""', "Marget").stdout
    first = written(TALES, "--prime", r"ILSE:\nThe \n", "-n", 30)
    assert shown.startswith(first)
    assert "\nMarget" in shown[len(first) :]


def test_ends_can_be_set() -> None:
    def text(*args: object) -> str:
        return written(TALES, "--prime", "The ", "-n", 120, *args)

    args = ("-n", 120)
    assert typed(r"/stop \n", "The ", args=args).stdout == text("--stop", r"\n") + "\n"
    assert typed("/stop zz", "/stop e", "The ", args=args).stdout == text("--stop", "zz", "--stop", "e") + "\n"
    assert typed("/stop e", "/stop", "The ", args=args).stdout == text() + "\n"
    assert typed("/stop-after e ", "The ", args=args).stdout == text("--stop-after", "e ") + "\n"
    assert typed("/end sentence", "The ", args=args).stdout == text("--end", "sentence") + "\n"
    assert typed("/end sentence", "/end", "The ", args=args).stdout == text() + "\n"
    assert typed("/min-length 40", "/stop e", "The ", args=args).stdout == (
        text("--min-length", 40, "--stop", "e") + "\n"
    )
    names = typed("/stop a", "/stop", "Sea", model=NAMES, args=()).stdout
    assert names.count("\n") == 1  # a line ends with its newline in any case


@pytest.mark.parametrize(("form", "end"), [(LINES, "\n"), (RecordForm("blank"), "\x1e")])
def test_without_other_ends_a_record_has_its_own(form: RecordForm, end: str) -> None:
    model = random_model(characters="\n ab\x1e", layout="lines", record_form=form)
    request = SamplingRequest(stops=["a", end], stop_after=["b"])
    settings = Settings(model, request, {}, None, None, "error", one_sentence=False, notice=print)
    assert settings.changed("stop", "").request.stops == [end]
    assert settings.changed("stop_after", "").request.stop_after == []


def test_what_can_not_be_set_is_told_and_changes_nothing() -> None:
    pytest.importorskip("regex")
    done = typed(r"/stop \q", "/end word", "/min-length 99", r"/ban z-a", "/allow ☃", "/stop ☃", "The ")
    told = done.stderr.splitlines()
    assert [line.startswith("charrnn: ") for line in told] == [True] * 5 + [False]
    assert all(
        text in line
        for text, line in zip(
            (
                r"\q",
                "/end can't be 'word'",
                "/min-length must be at most the /length, 30",
                "z-a",
                "no character",
                "no text can end",
            ),
            told,
            strict=True,
        )
    )
    assert done.stdout == written(TALES, "--prime", "The ", "-n", 30) + "\n"
    done = typed("/stop x", args=("-n", 30, "--match", "[a-z ]*"))
    assert "/match says where a text ends: type it alone first" in done.stderr


def test_what_can_not_be_continued_leaves_no_line_open() -> None:
    pytest.importorskip("regex")
    done = typed("Bally", r"Ireland\tBally", model=REGIONS, args=("-n", 9))
    assert re.fullmatch("Ireland\tBally.*\n", done.stdout)
    assert "the model has no label 'Bally': choose one of England, Ireland, Scotland, Wales" in done.stderr
    done = typed("", "", args=("-n", 9, "--match", r"([a-z]+) \1"))
    assert done.stdout.count("\n") == done.stderr.count("does not match after 9") == 2


def test_a_label_is_typed_or_set_or_drawn() -> None:
    labels = ("Wales\t", "Ireland\t", "Ireland\tBal", "England\t")
    shown = typed("Wales", "/label Ireland", "", "Bal", "/label", r"England\t", "", model=REGIONS, args=("-n", 9))
    lines = shown.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.startswith(label) for line, label in zip(lines, labels, strict=False))
    alone = json.loads(sample(REGIONS, "-n", 9, "--json", seed=5).stdout)
    assert lines[4] == f"{alone['label']}\t{alone['text']}"
    (other,) = typed("", model=REGIONS, args=("-n", 9, "--label", "Scotland")).stdout.splitlines()
    assert other == "Scotland\t" + sample(REGIONS, "-n", 9, "--label", "Scotland").stdout.rstrip("\n")
    assert "the model has no label 'France'" in typed("/label France", model=REGIONS).stderr
    assert "this model has no labels" in typed("/label Wales").stderr


def test_a_piece_without_the_end_of_a_sentence_is_told() -> None:
    done = typed("/length sentence", "/allow a-z ", "The tide", args=("--seed", 1))
    assert "no sentence ended within 1,000 characters: /more goes on" in done.stderr


def test_typed_bytes_that_are_no_text_do_not_end_a_conversation() -> None:
    env = {"PYTHONIOENCODING": "utf-8:strict"}  # as in most locales
    done = sample(TALES, "--interactive", "-n", 9, input=b"ab\xff\nThe \n", env=env)
    assert done.stdout == written(TALES, "--prime", "The ", "-n", 9) + "\n"
    assert "never seen the byte FF" in done.stderr


def test_a_prime_can_be_left_out_of_a_conversation() -> None:
    shown = typed("The ", args=("-n", 30, "--no-echo")).stdout
    assert "The " + shown == written(TALES, "--prime", "The ", "-n", 30) + "\n"
    assert "no sentence ends within 9 characters" in typed("/end sentence", "The ", args=("-n", 9)).stderr
