"""The places that errors name: with several files the line and its file, and what is wrong there and what to do."""

from pathlib import Path

import pytest

from charrnn.checkpoint import model_file
from charrnn.dataset.record_form import RecordForm
from support.processes import SMALL, charrnn, error_line
from support.random_models import random_model
from support.readmes import DOCS

ERROR = ("--unknown", "error")
UNKNOWN = "the model has never seen '☃'"


def failed(cwd: Path, *args: object) -> str:
    """The error of a command, whose first argument after its name may be a model of the documentation."""
    done = charrnn(*(DOCS / f"{a}.safetensors" if a in MODELS else a for a in args), cwd=cwd)
    assert done.returncode == 1, done
    return done.stderr.splitlines()[-1]


MODELS = ("classifier", "tagger", "dates", "names")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    for name, text in {
        "one": "Lo\n",
        "two": "Lo\nYo\n\nS☃w",
        "bare": "Lo",
        "tabs": "Lo\n\na\tb\n",
        "conll": "Lo O\nYo O\n\n\nSw O\nS☃w O\n",
        "good.tsv": "Lo\tWales\n\n",
        "bad.tsv": "Lo\tWales\n\nLo\n",
        "blank.tsv": "\n\nLo\t \n",
        "textless.tsv": "Yo\tEngland\n\tWales\n",
        "snow.tsv": "Lo\tWales\nY☃\tx\n",
        "good.tags": "Lo\t..\n\n\nYo\t..\n",
        "bad.tags": "\nLo\t.\n",
        "train.tsv": "".join(f"text {n}\t{'AB'[n % 2]}\n" for n in range(40)),
        "words.conll": "EU B-ORG\nrejects O\nGerman B-MISC\ncall O\n\nPeter B-PER\nsleeps O\n",
        "words.tsv": "The\tDT\ndog\tNN\nbarks\tVBZ\n\nA\tDT\ncats\tNN\n",
        "short.conll": "a O\nb X\n\nc\nd O\n",
        "short.tsv": "ab\tx.\nabc\n",
        "open.csv": 'text,kind\n"a\nb",c\n\n"d,e\nf,g\nh,i\n',
        "late.csv": 'text,kind\na,b\n"d,e\n\nf,"g"x\nh,i\n',
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (("classify", "classifier", "one", "two", *ERROR), f"line 4 of two: {UNKNOWN}"),
        (("classify", "classifier", "bare", "two", *ERROR), f"line 4 of two: {UNKNOWN}"),  # its newline is added
        (("classify", "classifier", "two", "one", *ERROR), f"line 4 of two: {UNKNOWN}"),
        (("classify", "classifier", "two", *ERROR), f"line 4: {UNKNOWN}"),
        (("classify", "classifier", "one", "tabs"), "line 3 of tabs: a text has no tabs: give texts without labels"),
        (("tag", "tagger", "one", "two", "--spans", *ERROR), f"line 4 of two: {UNKNOWN}"),
        (("tag", "tagger", "one", "tabs"), "line 3 of tabs: a text has no tabs: give texts without tags, "),
        (
            ("tag", "tagger", "words.tsv"),
            "line 1: a text has no tabs: give texts without tags, compare with `charrnn tag --evaluate`",
        ),
        (("tag", "tagger", "--conll", "one", "conll", *ERROR), f"line 5 of conll: {UNKNOWN}"),  # there it begins
        (("tag", "tagger", "--conll", "conll", *ERROR), f"line 5: {UNKNOWN}"),
        (("tag", "tagger", "--conll", "--evaluate", "words.conll", "conll", *ERROR), f"line 5 of conll: {UNKNOWN}"),
        (("translate", "dates", "one", "two"), f"line 4 of two: {UNKNOWN}"),
        (("translate", "dates", "--json", "one", "tabs"), "line 3 of tabs: a source has no tabs"),
        (("score", "names", "--per-line", "one", "two", *ERROR), f"line 4 of two: {UNKNOWN}"),
        (("score", "names", "--per-line", "--stateful", "one", "two", *ERROR), f"line 4 of two: {UNKNOWN}"),
        (("score", "names", "--top", 1, "two", *ERROR), f"line 4: {UNKNOWN}"),
        (("score", "dates", "good.tsv", "snow.tsv", *ERROR), f"line 2 of snow.tsv: {UNKNOWN}"),
        (("classify", "classifier", "--evaluate", "good.tsv", "bad.tsv"), "line 3 of bad.tsv is not a text, a tab and"),
        (("classify", "classifier", "--evaluate", "good.tsv", "blank.tsv"), "line 3 of blank.tsv has no label after"),
        (
            ("translate", "dates", "--evaluate", "good.tsv", "bad.tsv"),
            "line 3 of bad.tsv is not a text, a tab and its targ",
        ),
        (("tag", "tagger", "--evaluate", "good.tags", "bad.tags"), "line 2 of bad.tags has 1 tag for 2 characters: gi"),
        (("tag", "tagger", "--evaluate", "bad.tags"), "line 2 has 1 tag for 2 characters: give one for each"),
    ],
)
def test_an_error_names_the_line_and_of_several_files_its_file(
    args: tuple[object, ...], wanted: str, folder: Path
) -> None:
    assert failed(folder, *args).startswith(f"charrnn: {wanted}")


def saved_model(folder: Path, form: RecordForm) -> str:
    model = random_model(characters="\n\x1e abc", layout="lines", record_form=form)
    model_file.save(folder / "model.safetensors", model_file.Checkpoint(model))
    (folder / "docs").mkdir()
    return "model.safetensors"


@pytest.mark.parametrize("args", [("docs", "--per-line"), ("docs",), ("docs/2.txt",), ("docs/3.txt", "docs/2.txt")])
def test_a_document_is_named_by_its_file(args: tuple[str, ...], tmp_path: Path) -> None:
    model = saved_model(tmp_path, RecordForm("documents"))
    for n, text in enumerate(("ab\nc", "", "b\n☃c", "a")):
        (tmp_path / "docs" / f"{n}.txt").write_text(text, encoding="utf-8")
    assert failed(tmp_path, "score", model, *ERROR, *args).startswith(f"charrnn: docs/2.txt: {UNKNOWN}")


def test_a_record_is_counted_in_its_file(tmp_path: Path) -> None:
    model = saved_model(tmp_path, RecordForm("text", "%"))
    for n, text in enumerate(("ab%c", "", "b%%b%a☃c%a", "a")):
        (tmp_path / "docs" / f"{n}.txt").write_text(text, encoding="utf-8")
    for args in (("docs", "--json", "--per-line"), ("docs",)):
        line = failed(tmp_path, "score", model, *ERROR, *args)
        assert line.startswith(f"charrnn: record 3 of docs/2.txt: {UNKNOWN}")
    assert failed(tmp_path, "score", model, *ERROR, "docs/2.txt").startswith(f"charrnn: record 3: {UNKNOWN}")


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (("train.tsv", "bad.tsv", "--classify"), "line 3 of bad.tsv has no tab: write text, tab, label"),
        (("bare", "train.tsv", "--pairs"), "line 1 of bare has no tab: write source"),
        (("train.tsv", "textless.tsv", "bad.tsv", "--classify"), "line 2 of textless.tsv has no text; line 3 of bad"),
        (("words.conll", "--tags"), "line 1 has no tab in words.conll (6 lines are like that): these look like lines "
         "of words and tags, so add --conll"),
        (("words.tsv", "--tags"), "line 1 has 2 tags for 3 characters in words.tsv (5 lines are like that): these loo"),
        (("words.conll", "--tags", "--skip-bad"), "line 1 has no tab in words.conll (6 lines are like that): these"),
        (("train.tsv", "bad.tsv", "--tags"), "line 1 of train.tsv has 1 tag for 6 characters (41 lines are like that); "
         "line 3 of bad.tsv has no tab: write text, tab, tags, or leave"),
        (("short.conll", "--tags", "--conll", "--skip-bad"), "short.conll has only one sentence, and at least two are "
         "needed: in CoNLL's form a line is a word and its tag, and an empty line ends a sentence; --skip-bad left out "
         "1: line 4 of short.conll has the word 'c' without a tag"),
        (("short.tsv", "--pairs", "--skip-bad"), "short.tsv has only one pair of source and target: at least two are "
         "needed; --skip-bad left out 1: line 2 has no tab in short.tsv"),
        (("short.tsv", "--tags", "--skip-bad"), "short.tsv has only one line of text and tags: at least two are needed"
         "; --skip-bad left out 1: line 2 has no tab"),
        (("open.csv", "--csv", "text"), "line 5 of open.csv is not CSV: it begins a row with a quote that is not closed"
         "; mend it"),
        (("open.csv", "--csv", "text,kind", "--pairs", "--skip-bad"), "line 5 of open.csv is not CSV: it begins a row"),
        (("late.csv", "--csv", "text"), "line 3 of late.csv is not CSV: ',' expected after '\"' on line 5; mend it"),
    ],
)  # fmt: skip
def test_a_text_to_learn_from_is_bad_in_a_line_of_a_file(args: tuple[object, ...], wanted: str, folder: Path) -> None:
    out = folder / "none.safetensors"
    assert failed(folder, "train", *args, *SMALL, "--steps", 2, "--out", out).startswith(f"charrnn: {wanted}")


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ("a,b", "--csv a,b is two columns: add --pairs, --classify or --tags, or give one column"),
        ("name,kind,x", "--csv name,kind,x is 3 columns: give one, or two with --pairs, --classify or --tags"),
        ("a,b,c,d", "--csv a,b,c,d is 4 columns: give one, or two"),
    ],
)
def test_the_columns_are_counted(columns: str, wanted: str, folder: Path) -> None:
    done = charrnn("train", "open.csv", "--csv", columns, cwd=folder)
    assert error_line(done, 2).startswith(f"charrnn: {wanted}")


@pytest.mark.parametrize(
    ("args", "text", "wanted"),
    [
        (("classify", "classifier"), "\tWales\nBath\tEngland\n", "line 1 has no text before its tab: --evaluate needs"),
        (("classify", "classifier"), "Bath\tEngland\n\n\t\n", "line 3 has no text before its tab"),
        (("tag", "tagger"), "Lo\t..\n\t\n", "line 2 has no text before its tab"),
        (("translate", "dates"), "\t1999\n", "line 1 has no text before its tab"),
        (
            ("tag", "tagger"),
            "EU\tB-ORG\nrejects\tO\n",
            "line 1 has 5 tags for 2 characters: these look like lines of wo",
        ),
        (
            ("tag", "tagger"),
            "EU NN\nis VB\n\nA DT\n",
            "line 1 is not a text, a tab and its tags: these look like lines",
        ),
        (("tag", "tagger"), "Bath\tllll\n-\t.\nin\t.\n", "line 3 has 1 tag for 2 characters: give one for each"),
    ],
)
def test_what_can_not_be_evaluated_is_an_error(args: tuple[str, str], text: str, wanted: str, folder: Path) -> None:
    done = charrnn(args[0], DOCS / f"{args[1]}.safetensors", "--evaluate", cwd=folder, input=text)
    assert error_line(done, 1).startswith(f"charrnn: {wanted}")
    assert done.stdout == ""
