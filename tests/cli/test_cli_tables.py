"""Tables for `classify`, `tag` and `translate`: a model of two columns reads the same columns of later tables."""

import json
from pathlib import Path

import pytest

from support.processes import SMALL, charrnn

ROWS = [("ab", "xx"), ("ba", "yy"), ("b, a", "xxxx"), ('a"b', "yyy")] * 20
PLAIN = "".join(f"{a}\t{b}\n" for a, b in ROWS[:4])


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


CSV = "n,Target, Source\n" + "".join(f"1,{quoted(b)},{quoted(a)}\n" for a, b in ROWS)
JSONL = "".join(json.dumps({"Target": b, "n": 1, "Source": a}) + "\n" for a, b in ROWS)
TABLES = {"csv": CSV, "jsonl": JSONL}
COMMANDS = {"classify": "--classify", "tag": "--tags", "translate": "--pairs"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, and with a model of two columns of one for each of the commands."""
    folder = tmp_path_factory.mktemp("tables")
    for kind, text in TABLES.items():
        (folder / f"data.{kind}").write_text(text, newline="\r\n" if kind == "csv" else "\n")
    for (command, layout), kind in zip(COMMANDS.items(), ("csv", "jsonl", "csv"), strict=True):
        layouts = (layout, "--attention") if layout == "--pairs" else (layout,)
        options = (*layouts, f"--{kind}", "Source,Target", *SMALL, "--steps", 2, "--out", f"{command}.safetensors")
        done = charrnn("train", f"data.{kind}", *options, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def answers(command: str, text: str, folder: Path, *options: str) -> tuple[str, str]:
    done = charrnn(command, f"{command}.safetensors", *options, cwd=folder, input=text)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(("command", "kind"), [("classify", "csv"), ("tag", "jsonl"), ("translate", "csv")])
def test_a_model_of_two_columns_reads_them_of_other_tables(command: str, kind: str, tables: Path) -> None:
    table = "".join(TABLES[kind].splitlines(keepends=True)[: 5 - (kind == "jsonl")])
    sources = "".join(f"{a}\n" for a, _ in ROWS[:4])
    wanted, _ = answers(command, sources, tables)
    found, told = answers(command, table, tables)
    assert found == wanted
    noun = "column" if kind == "csv" else "field"
    assert f"stdin is a table like the training text: reads its {noun} 'Source'\n" in told
    wanted, _ = answers(command, PLAIN, tables, "--evaluate", "--json")
    found, told = answers(command, table, tables, "--evaluate", "--json")
    assert found == wanted
    assert f"reads its {noun}s 'Source' and 'Target'\n" in told


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("classify", "Target,n\nab,ba\n"),
        ("classify", '{"Source": "ab"}\n'),
        ("classify", "ab\nSource\n"),
        ("classify", "\n\nn,Target,Source\n"),
        ("tag", "n,Target,Source\n1,2,3\n"),
        ("tag", '["Source"]\n'),
        ("translate", "Sources,n\n"),
    ],
)
def test_other_texts_are_read_line_by_line(command: str, text: str, tables: Path) -> None:
    found, told = answers(command, text, tables, "--json", "--unknown", "skip")
    assert "table" not in told
    assert len(found.splitlines()) == len(text.splitlines())


def test_json_for_a_model_of_other_texts_is_told(tables: Path) -> None:
    line = '{"Source": "ab", "Target": "xx"}\n'
    _, told = answers("classify", line * 2, tables, "--unknown", "skip")
    assert "stdin has JSON, which is read as text: take its fields out with `jq -r .TEXT`\n" in told
    done = charrnn("classify", "classify.safetensors", "--evaluate", cwd=tables, input=line)
    assert "take its fields out with `jq -r '[.TEXT, .EXPECTED] | @tsv'`" in done.stderr
    for text in ('{"Source": "ab"\n', "{}x\n", "[1]\n", "a\n" + line):
        assert "JSON" not in answers("classify", text, tables, "--unknown", "skip")[1]


def test_each_file_is_a_table_or_not_by_its_own_first_line(tables: Path) -> None:
    for name in ("lines.txt", "more.txt"):
        (tables / name).write_text("ab\nba\n")
    (tables / "one.csv").write_bytes('Source\r\nab\r\n"b\nb"\r\n'.encode("utf-16"))
    done = charrnn("classify", "classify.safetensors", "lines.txt", "one.csv", "more.txt", "--json", cwd=tables)
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == ["ab", "ba", "ab", "b b", "ab", "ba"]
    assert done.stderr.count("one.csv is a table like the training text") == 1


@pytest.mark.parametrize(
    ("command", "text", "options", "message"),
    [
        ("classify", "Source,x\nab,1\nb, a,1\n", (), "line 3 of stdin has 3 columns, and its header 2"),
        (
            "classify",
            "Source,x\nab,1\n",
            ("--evaluate",),
            "stdin has no column 'Target': its first line names Source",
        ),
        ("classify", "Source,Target\nab,xx\nab,\n", ("--evaluate",), "line 3 of stdin has no label as 'Target'"),
        ("tag", '{"Source": "ab", "Target": "xx"}\n{"Target": ""}\n', (), "line 2 of stdin has no field 'Source'"),
        ("tag", '{"Source": "ab", "Target": "x"}\n', ("--evaluate",), "line 1 of stdin has 1 tag for 2 characters"),
        ("translate", "Target,Source\nxx,ab\nxx\n", (), "line 3 of stdin has too few columns"),
    ],
)
def test_a_bad_row_is_told_after_the_answers_before_it(
    command: str, text: str, options: tuple[str, ...], message: str, tables: Path
) -> None:
    done = charrnn(command, f"{command}.safetensors", *options, cwd=tables, input=text)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    is_later = not options and "line" in message
    assert len(done.stdout.splitlines()) == is_later
