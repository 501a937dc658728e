"""The interactive mode as a place to write: on a terminal, where a text grows line by line, and through a pipe."""

import os
import re
import signal
import stat
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from charrnn.cli.sample import editor
from charrnn.cli.sample.commands import COMMANDS, parse
from charrnn.cli.sample.line_input import history_path
from charrnn.errors import ConfigError
from support.processes import after_script, charrnn, posix, started
from support.readmes import Example, difference
from support.terminal import TypedSession, at_a_terminal

DOCS = Path(__file__).parents[1] / "fixtures" / "docs"
README = Path(__file__).parents[2] / "charrnn" / "cli" / "README.md"
TALES, NAMES = DOCS / "tales.safetensors", DOCS / "names.safetensors"
ENGINE = ("--engine", "numpy")


def written(*args: object, cwd: Path = DOCS) -> str:
    """What a run writes that is not interactive."""
    done = charrnn("sample", TALES, *ENGINE, *args, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def after(text: str, seed: int, *args: object, n: int = 30) -> str:
    """The piece that a run writes after a text."""
    return written("--prime", text.replace("\n", "\\n"), "--seed", seed, "-n", n, "--no-echo", *args)


def typed(
    *lines: str, model: Path = TALES, cwd: Path = DOCS, args: tuple[object, ...] = ("-n", 30)
) -> CompletedProcess[str]:
    """A conversation through a pipe."""
    given = "".join(f"{line}\n" for line in lines)
    done = charrnn("sample", model, "--interactive", "--seed", 1, *ENGINE, *args, cwd=cwd, input=given)
    failed = any(line.startswith("charrnn: ") for line in done.stderr.splitlines())
    assert done.returncode == failed, done.stderr
    return done


def as_lines(*texts: str) -> str:
    """Texts as they are shown: each ends its line."""
    return "".join(text if text.endswith("\n") else text + "\n" for text in texts)


# What is a command


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("/tempo 3", "/temp"),
        ("/agian", "/again"),
        ("/lenght 500", "/length"),
        ("/bakc", "/back"),
        ("/Temp 1", "/temp"),
        ("/topk 5", "/top-k"),
        ("/sav x.txt", "/save"),
        ("/undo", "/back"),
        ("/temperature 2", "/temp"),
        ("/exit", "/quit"),
        ("/loop-penalti 1", "/loop-penalty"),
        ("/stop! x", "/stop"),
    ],
)
def test_what_looks_like_a_misspelt_command_is_named(line: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"^no command {line.split()[0]}: did you mean {meant}[?] .* begin with //$"):
        parse(line)


@pytest.mark.parametrize(
    "line", ["/usr/lib", "/etc", "/them", "/home is", "/2 of 3", "/", "/back to it", "//back", "a/temp 1"]
)
def test_all_else_is_text(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/temp 0.5", ("temp", "0.5", False)),
        ("/top-k  5", ("top_k", " 5", False)),
        ("/top_k 5", ("top_k", "5", False)),
        ("/stop-after e ", ("stop_after", "e ", False)),
        ("/save! a b.txt", ("save", "a b.txt", True)),
        ("/back ", ("back", "", False)),
    ],
)
def test_a_command_has_the_rest_of_its_line(line: str, command: tuple[str, str, bool]) -> None:
    assert parse(line) == command


def test_help_has_a_line_for_each_command() -> None:
    told = typed("/help").stderr.splitlines()
    for name, (usage, text) in COMMANDS.items():
        assert sum(line.startswith(usage + " ") and line.endswith(text) for line in told) == bool(text), name
    assert all(len(line) < 80 and "\\n" not in line for line in told)


def test_settings_are_shown_and_changed() -> None:
    told = typed(
        "/temp 0.4:1.2", "/temp", "/penalty 2", "/loop-penalty", "/length 40", "/length", "/temp 1", "/state"
    ).stderr
    assert told.splitlines()[:3] == ["temp 0.4:1.2", "loop-penalty 2", "length 40"]
    assert told.splitlines()[-1] == "seed 1; length 40; temp 1; unknown error; loop-penalty 2"
    args = ("--prime", "The ", "-n", 30, "--seed", 1)
    assert typed("/temp 0.4:1.2", "The ").stdout == written(*args, "--temp", "0.4:1.2") + "\n"
    assert typed("/temp 0.4:1.2", "/temp 1", "The ").stdout == written(*args) + "\n"
    assert typed("/penalty 2", "/temp 0", "The ").stdout == written(*args, "--temp", 0, "--loop-penalty", 2) + "\n"


def test_a_piece_can_have_to_match() -> None:
    pytest.importorskip("regex")
    args = ("--prime", "The ", "-n", 30, "--seed", 1)
    matched = written(*args, "--match", "[a-z]+ [a-z]+")
    assert typed("/match [a-z]+ [a-z]+", "The ").stdout == matched + "\n"
    assert typed("/match [a-z]+ [a-z]+", "/match", "The ").stdout == written(*args) + "\n"
    wrong = ("/match (", "/end sentence", "/match a", "/end", "/match a", "/end sentence", "/length sentence")
    told = typed(*wrong).stderr.splitlines()
    says = ("not a regular expression", "remove /stop-after and /end", "type it alone first", "type it alone first")
    assert [text in line for text, line in zip(says, told, strict=True)] == [True] * 4


# Pieces


def test_a_piece_is_written_again_with_its_seed() -> None:
    shown = typed("The tide", "/again", "/again 1", "/again", "/again 9").stdout
    assert shown == as_lines(*(f"The tide{after('The tide', seed)}" for seed in (1, 2, 1, 3, 9)))
    done = typed("The tide", "/again", "/seed", "/again 9", "/seed", "/seed 5", "/seed")
    assert done.stderr.splitlines() == [
        f"the last piece has the seed {last}; the next piece has the seed {following}"
        for last, following in ((2, 3), (9, 3), (9, 5))
    ]


def test_a_piece_goes_on_from_the_text_before_it() -> None:
    first = "The tide" + after("The tide", 1)
    second = first + after(first, 2)
    third = after(second, 3)
    fourth = second + " It was" + after(second + " It was", 4)
    done = typed("The tide", "/more", "/more", "/back", "/more  It was", "/text")
    pieces = [first, second[len(first) :], third, fourth[len(second) :], fourth]
    assert done.stdout == as_lines(*pieces)


def test_what_is_taken_back_is_shown() -> None:
    done = typed("The tide", "/back", "/back", "/back", args=("-n", 5))
    assert done.stderr.splitlines() == [
        f"took back “{after('The tide', 1, n=5)}”; the text ends with “The tide”",
        "took back “The tide”; the text is empty",
        "charrnn: there is no text yet",
    ]
    done = typed("The", "/new", "/text", "/more One", "/back", "/back", "/back", "/text", args=("-n", 3))
    assert done.stdout.splitlines()[-1] == "The" + after("The", 1, n=3)
    assert done.stderr.splitlines()[-1].startswith("back to the text before; the text ends with “The")


@pytest.mark.parametrize(
    ("before", "lines", "says"),
    [
        ([], ["/again"], "there is no text yet"),
        (["The", "/back"], ["/again"], "the last piece is not the model's"),
        (["The"], ["/again x"], "/again needs a whole number, not 'x'"),
        (["The"], ["/again -1"], "/again must be at least 0, not -1"),
        ([], ["/back"], "there is no text yet"),
        ([], ["/edit"], "there is no text yet"),
        (["The"], ["/edit all"], "/edit text"),
        (["The"], ["/edit", "☃"], "never seen '☃'"),
        ([], ["/save x"], "no text to save"),
        (["The"], ["/save"], "needs the name of a file"),
        (["The"], ["/save ''"], "not the name of a file"),
        (["The"], ["/save ."], "is a folder"),
        (["The"], ["/state ."], "is a folder"),
        ([], ["/unknown perhaps"], "error, skip, nearest"),
        ([], ["/min-length 31"], "/min-length must be at most the /length, 30, not 31"),
        ([], ["/temp hot"], "/temp needs a number, or two as in 0.4:1.2, not 'hot'"),
        ([], ["/length few"], "/length needs a whole number, not 'few'"),
        (["The"], ["/more ☃"], "never seen '☃'"),
        (["The"], ["/more \\q"], "unknown escape"),
        (["The"], ["/mroe"], "did you mean /more"),
    ],
)
def test_what_can_not_be_done_is_told_in_one_line_and_changes_nothing(
    before: list[str], lines: list[str], says: str
) -> None:
    done = typed(*before, *lines, "/text", "/state")
    told = [line for line in done.stderr.splitlines() if line.startswith("charrnn: ")]
    assert len(told) == 1
    assert says in told[0]
    without = typed(*before, "/text", "/state")
    assert (done.stdout, done.stderr.splitlines()[-2:]) == (without.stdout, without.stderr.splitlines()[-2:])


def test_a_text_that_ended_before_a_stop_text_goes_on_after_it() -> None:
    first = "The" + after("The", 1, "--stop", ".", n=200)
    second = first + "." + after(first + ".", 2, "--stop", ".", n=200)
    assert typed("/stop .", "The", "/more", "/text", args=("-n", 200)).stdout.endswith(f"\n{second}\n")
    # but not after what has been typed
    other = first + ", or" + after(first + ", or", 2, "--stop", ".", n=200)
    assert typed("/stop .", "The", "/more , or", "/text", args=("-n", 200)).stdout.endswith(f"\n{other}\n")


def test_a_piece_can_be_a_sentence() -> None:
    done = typed("/length sentence", "The tide", "/length", "/length 9", "/length", "/text", args=("-n", 5))
    assert done.stderr.splitlines() == ["length a sentence, at most 1,000 characters", "length 9"]
    shown, again = done.stdout.removesuffix("\n").split("\nThe tide")
    assert "The tide" + again == shown
    assert after("The tide", 1, n=1000).startswith(again)
    assert again.rstrip("\"')]")[-1] in ".?!"


def test_the_text_can_be_edited_and_the_edit_taken_back() -> None:
    done = typed("The tide", "/edit", r" rose.\n", "/more", "/edit text", '"""A', 'line"""', "/text", "/back", "/text")
    second = "The tide rose.\n" + after("The tide rose.\n", 2)
    assert done.stdout == as_lines("The tide" + after("The tide", 1), second, "A\nline", second)
    assert done.stderr.startswith(r"took back an edit to “A\nline”; the text ends with “The tide rose.")
    assert typed("The", "/edit").stdout == "The" + after("The", 1) + "\n"  # the input ends instead of an edit
    assert typed("The", "/edit text", "", "/text").stdout == "The" + after("The", 1) + "\n"


def test_a_space_follows_a_sentence() -> None:
    done = typed("The end.", "/more He", "/back", "/back", '/more " said he', "/text", args=("-n", 0))
    assert done.stdout.endswith('The end." said he\n')
    assert "took back “ He”" in done.stderr


def test_a_line_is_never_continued() -> None:
    done = typed("Sea", "/more Bay", "/more", "/state x", model=NAMES, args=())
    assert [line[:3] for line in done.stdout.splitlines()[:2]] == ["Sea", "Bay"]
    assert len(done.stdout.splitlines()) == 3
    assert "a line is never continued" in done.stderr


def test_a_text_can_be_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "draft.txt").write_text("The tide")
    args = ("-n", 30, "--prime-file", tmp_path / "draft.txt")
    assert typed("/more", args=args).stdout == "The tide" + after("The tide", 1) + "\n"
    assert typed("/text", "The", args=("-n", 3, "--prime", "One")).stdout == "One\nThe" + after("The", 1, n=3) + "\n"


# Characters that the model has never seen


def test_unknown_characters_are_treated_as_asked() -> None:
    done = typed("a ☃", "/unknown skip", "“a” ☃b", "/unknown nearest", "“a”—b… ☃", args=("-n", 0))
    assert done.stdout == 'a b\n"a"-b... \n'
    assert "leave them out with /unknown skip, or replace them with /unknown nearest" in done.stderr
    told = "characters of the prime that the model has never seen were "
    assert f"{told}left out: 3\n{told}replaced by the nearest ones: 5\n" in done.stderr
    assert typed("“a”", args=("-n", 0, "--unknown", "nearest")).stdout == '"a"\n'


def test_bytes_that_are_no_text_are_unknown() -> None:
    done = charrnn("sample", TALES, "--interactive", "--seed", 1, *ENGINE, "-n", 5, cwd=DOCS, input=b"\xff\nThe\n")
    assert "the byte FF (not UTF-8)" in done.stderr
    assert done.stdout == "The" + after("The", 1, n=5) + "\n"


# Files


def test_a_text_is_saved_as_it_is_and_never_over_another(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "link.txt").symlink_to("nowhere.txt")
    lines = ("/save mine.txt", "/save folder", "/save! folder", "/save link.txt", "/save a b.txt", "/more", "/save")
    more = ('/save "a b.txt"', "/save new/c.txt", "/save! mine.txt")
    done = typed("The tide", *lines, *more, cwd=tmp_path)
    first = "The tide" + after("The tide", 1)
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["charrnn:"] * 4 + ["saved"] * 5
    assert "mine.txt exists: /save! mine.txt overwrites it" in done.stderr
    for name in ("a b.txt", "new/c.txt", "mine.txt"):
        assert (tmp_path / name).read_text(encoding="utf-8") == first + after(first, 2)
    assert sorted(os.listdir(tmp_path)) == ["a b.txt", "folder", "link.txt", "mine.txt", "new"]


def test_a_saved_text_that_has_changed_since_is_kept(tmp_path: Path) -> None:
    with started("sample", TALES, "--interactive", "--seed", 1, "-n", 3, *ENGINE, cwd=tmp_path) as process:
        process.stdin.write(b"The\n/save a.txt\n")
        while b"saved" not in process.stderr.readline():
            pass
        (tmp_path / "a.txt").write_text("another program's")
        _, told = process.communicate(b"/save\n/save a.txt\n/quit\n", timeout=60)
    assert told.decode().count("a.txt has changed since it was saved: /save! a.txt overwrites it") == 2
    assert (tmp_path / "a.txt").read_text() == "another program's"


@posix
def test_a_file_that_can_not_be_written_whole_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    done = charrnn(
        *("sample", TALES, "--interactive", "--seed", 1, "-n", 600, *ENGINE),
        cwd=tmp_path,
        input="The\n/save! a.txt\n/save b.txt\n",
        command=after_script("ulimit -f 0"),
    )
    assert done.returncode == 1, done.stderr
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["charrnn"] * 2
    assert (os.listdir(tmp_path), (tmp_path / "a.txt").read_text()) == (["a.txt"], "mine")


def test_the_state_goes_on_elsewhere(tmp_path: Path) -> None:
    done = typed("The tide", "/state x.state", "/state x.state", "/state! a b", "/more", cwd=tmp_path)
    assert "saved the state in a b: charrnn sample --state-in 'a b' goes on from here" in done.stderr
    assert "x.state exists: /state! x.state overwrites it" in done.stderr
    goes_on = charrnn("sample", TALES, *ENGINE, "--state-in", "x.state", "-n", 30, cwd=tmp_path).stdout
    assert done.stdout == f"The tide{after('The tide', 1)}\n{goes_on}\n"


@posix
def test_an_interrupt_ends_a_piece_and_not_the_conversation(tmp_path: Path) -> None:
    with started("sample", TALES, "--interactive", "--seed", 1, "-n", -1, *ENGINE, cwd=tmp_path) as process:
        process.stdin.write(b"The tide\n")
        begun = b""
        while len(begun) < 200:
            begun += process.stdout.read(200)
        process.send_signal(signal.SIGINT)
        process.stdin.write(b"/save a.txt\n")
        rest, told = process.communicate(timeout=120)
    assert process.returncode == 0
    assert told.decode().startswith("saved ")
    shown, saved = (begun + rest).decode(), (tmp_path / "a.txt").read_text(encoding="utf-8")
    assert shown.removesuffix("\n") == saved.removesuffix("\n")
    assert ("The tide" + after("The tide", 1, n=len(saved))).startswith(saved)


# On a terminal


def talk(tmp_path: Path, *args: object, **env: str) -> AbstractContextManager[TypedSession]:
    """A conversation on a terminal."""
    given = {"NO_COLOR": "1", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "VISUAL": "", "EDITOR": "", **env}
    return at_a_terminal("sample", TALES, "--interactive", "--seed", 1, *ENGINE, *args, cwd=tmp_path, env=given)


def answer(session: TypedSession, line: str) -> str:
    """What is shown after a line, up to the next prompt."""
    session.type(line + "\r")
    session.wait_for("\n")
    return session.wait_for("> ")


def piece(session: TypedSession, line: str, seed: int) -> str:
    """The piece that is shown after a line, with its seed."""
    text, told = answer(session, line).removesuffix("\n").rsplit("\n", 1)
    assert told == f"[seed {seed}]"
    return text


@posix
def test_on_a_terminal_lines_and_pieces_are_one_text(tmp_path: Path) -> None:
    with talk(tmp_path) as session:
        greeting = session.wait_for("> ")
        assert "for a sentence" in greeting
        assert "/help" in greeting
        first = piece(session, "The tide", 1)
        assert ("The tide" + after("The tide", 1, n=1000)).startswith(first)
        second = piece(session, "", 2)
        assert after(first, 2, n=1000).startswith(second)
        again = piece(session, "/again", 3)
        assert after(first, 3, n=1000).startswith(again)
        assert piece(session, "/again 2", 2) == second
        answer(session, "/length 20")
        third = piece(session, "Then", 4)
        assert third == " Then" + after(first + second + " Then", 4, n=20)
        assert "did you mean /save" in answer(session, "/svae all.txt")
        assert "saved" in answer(session, "/save all.txt")
        session.type("\x04")
        assert session.end() == 0
    assert (tmp_path / "all.txt").read_text(encoding="utf-8") == first + second + third
    assert "not saved" not in session.shown
    assert os.listdir(tmp_path) == ["all.txt"], "no history is kept"


@posix
def test_ctrl_c_stops_a_piece_and_keeps_it_and_a_second_one_leaves(tmp_path: Path) -> None:
    with talk(tmp_path, "--length", -1) as session:
        session.wait_for("> ")
        session.type("The tide\r")
        session.wait_for_more(200)
        session.interrupt()
        session.wait_for("[seed 1]\n> ")
        assert " characters in 2 pieces, not saved" in answer(session, "/state")
        stopped = answer(session, "/text").removesuffix("\n")
        assert ("The tide" + after("The tide", 1, n=len(stopped))).startswith(stopped)
        assert len(stopped) > 100
        session.type("half a line")
        session.wait_for("half a line")
        session.interrupt()
        assert "the line is dropped" in session.wait_for("> ")
        session.type('"""some\r')
        session.wait_for("... ")
        session.interrupt()
        assert "stopped" in session.wait_for("> ")
        session.interrupt()
        assert session.end() == 130


@posix
def test_the_documented_conversation_is_true(tmp_path: Path) -> None:
    section = README.read_text(encoding="utf-8").partition("### Writing with it")[2]
    shown = section.partition("```\n")[2].partition("```")[0]
    with talk(tmp_path, "--seed", 7, "--temp", 0.6) as session:
        session.wait_for("leaves\n")
        for line in re.findall("^> (.*)", shown, re.MULTILINE):
            session.wait_for("> ")
            session.type(line + "\r")
        session.wait_for("> ")
    found = session.shown.partition("leaves\n")[2].rpartition("> ")[0]
    assert difference(Example("charrnn sample", shown), found) == ""


@posix
def test_the_text_is_edited_in_the_editor_of_the_user(tmp_path: Path) -> None:
    with talk(tmp_path, "-n", 5, VISUAL="sed -i s/tide/night/") as session:
        session.wait_for("> ")
        first = piece(session, "The tide", 1)
        answer(session, "/edit text")
        assert answer(session, "/text") == first.replace("tide", "night") + "\n"
        assert "took back an edit" in answer(session, "/back")
        assert answer(session, "/text") == first + "\n"
        session.type("\x04")
        assert session.end() == 0


@posix
@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("false", "the editor false has not edited the text: it ended with 1; set EDITOR"),
        ("no-such-editor", "the editor no-such-editor has not edited the text: No such file or directory; set EDITOR"),
        ("'", "the editor ' has not edited the text: No closing quotation; set EDITOR"),
        ("sed -i s/tide/☃/", "refused; your edit is in"),
    ],
)
def test_an_edit_that_fails_is_told_and_kept(
    program: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    got: list[str] = []

    def accept(text: str) -> None:
        got.append(text)
        raise ConfigError("refused")

    with pytest.raises(ConfigError, match=f"^{re.escape(says)}"):
        editor.edit("The tide\n", program, accept)
    kept = [path.read_text(encoding="utf-8") for path in tmp_path.glob("charrnn-*/text.txt")]
    assert kept == got == (["The ☃\n"] if "sed" in program else [])


@posix
@pytest.mark.parametrize(("text", "edited"), [("tide", "night"), ("tide\n", "night\n"), ("\udcfftide", "\udcffnight")])
def test_an_edit_changes_nothing_but_what_was_edited(text: str, edited: str) -> None:
    got: list[str] = []
    editor.edit(text, "sed -i -e s/tide/night/ -e '$a\\'", got.append)  # it ends the last line
    assert got == [edited]


@posix
def test_without_an_editor_a_piece_is_edited_on_a_line_and_what_is_not_saved_is_shown_whole(tmp_path: Path) -> None:
    with talk(tmp_path, "-n", 9) as session:
        session.wait_for("> ")
        text = piece(session, "The tide", 1)
        session.type("/edit text\r")
        session.wait_for("edit> " + text)
        session.type(" rose\r")
        session.wait_for("> ")
        assert answer(session, "/text") == text + " rose\n"
        more = piece(session, "", 2)
        session.type("\x04")
        assert session.end() == 0
    assert session.shown.endswith(
        f"a text that was not saved, whole:\n{text} rose{more.removeprefix(f'{text} rose')}\n"
    )


@posix
def test_the_history_is_kept_for_the_next_time(tmp_path: Path) -> None:
    for lines in (["Two", "Three"], ["\x1b[A\x1b[A"]):
        with talk(tmp_path, "-n", 3, "--history", XDG_STATE_HOME=str(tmp_path / "state")) as session:
            session.wait_for("> ")
            for line in lines:
                answer(session, line)
            session.type("\x04")
            assert session.end() == 0
    history = tmp_path / "state" / "charrnn" / "history"
    assert history.read_text().splitlines() == ["Two", "Three", "Two"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_the_history_is_in_the_folder_for_states(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, folder in (("", ".local/state"), ("relative", ".local/state"), (str(tmp_path / "s"), "s")):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        if os.name == "posix":
            assert history_path() == tmp_path / folder / "charrnn" / "history"
    done = typed("The", args=("-n", 3, "--history"))
    assert done.stderr == "--history has no effect: the lines don't come from a terminal\n"
