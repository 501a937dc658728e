"""The folder `data/`: the script makes the same bytes again, the targets are right, and so is the card of the model."""

import itertools
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import model_file
from charrnn.checkpoint.paths import bundled_model
from charrnn.dataset import corpus, files
from charrnn.dataset.files import Source
from charrnn.engine import Engine
from charrnn.export.card import card
from charrnn.scoring.text import score
from charrnn.version import VERSION

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
SCRIPT = DATA / "make_datasets.py"
SIZES = {"dates": 10_000, "regions": 3341, "tagged": 3000, "sentiment": 2000}

ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS = {"oh": 0} | {word: n for n, word in enumerate((*ONES, *TEENS), 1)}
NUMBERS |= {word: 10 * n for n, word in enumerate(TENS, 2)}
DAYS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
DAYS |= {f"{word}th": n for word, n in NUMBERS.items() if 0 < n < 20 and n not in DAYS.values()}
DAYS |= {"twentieth": 20, "thirtieth": 30}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")


def pairs(name: str) -> list[tuple[str, str]]:
    """The sources and targets of a data set; fails if a line has not exactly one tab."""
    lines = (DATA / f"{name}.tsv").read_text(encoding="ascii").removesuffix("\n").split("\n")
    assert all(line.count("\t") == 1 for line in lines)
    return [(source, target) for source, target in (line.split("\t") for line in lines)]


def spans(tags: str) -> list[tuple[str, int, int]]:
    """The spans of a target: tag, start and end."""
    return [(match[1], match.start(), match.end()) for match in re.finditer(r"([^.])\1*", tags)]


# All of them


def test_the_script_makes_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("names.txt", SCRIPT.name):
        shutil.copy(DATA / name, tmp_path)
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, str(tmp_path / SCRIPT.name)], cwd=ROOT, env=environment, check=True)
    made = {path.name for path in tmp_path.iterdir()} - {"names.txt", SCRIPT.name}
    assert made == {f"{name}.tsv" for name in SIZES} == {path.name for path in DATA.glob("*.tsv")}
    for name in made:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


@pytest.mark.parametrize("name", SIZES)
def test_each_line_is_a_distinct_source_and_its_target(name: str) -> None:
    found = pairs(name)
    assert len(found) == len({source for source, _ in found}) == SIZES[name]
    assert all(part == part.strip() != "" for pair in found for part in pair)
    assert (DATA / f"{name}.tsv").stat().st_size < 600_000


@pytest.mark.parametrize("name", SIZES)
def test_the_lines_are_in_random_order(name: str) -> None:
    sources = [source for source, _ in pairs(name)]
    ordered = sum(a < b for a, b in itertools.pairwise(sources))
    assert 0.45 < ordered / len(sources) < 0.55


# Dates


def reading(text: str) -> date:
    """The date that a text means, read word by word; fails if the text names another weekday."""
    words = re.findall(r"[a-z]+|'?\d+", text.lower())
    weekdays = [word for word in words if word[:3] in WEEKDAYS]
    words = [word for word in words if word not in weekdays and word not in ("the", "of", "in", "st", "nd", "rd", "th")]
    if len(words) == 1:  # 19990303
        words = [words[0][:4], words[0][4:6], words[0][6:]]
    if words[1] in ROMAN:
        words[1] = str(ROMAN.index(words[1]) + 1)
    named = [word for word in words if word[:3] in MONTHS]
    if named:
        month = MONTHS.index(named[0][:3]) + 1
        words.remove(named[0])
    else:
        month = int(words.pop(1))
    figures = [word for word in words if word[-1].isdigit()]
    years = [word for word in figures if len(word) == 4] or [word for word in figures if word[0] == "'"]
    year = year_of(years[0]) if years else None
    days = [int(word) for word in figures if word not in years]
    spoken = [word for word in words if word not in figures]
    if not days:
        n = next(n for n, word in enumerate(spoken) if word in DAYS)
        start = n - (n > 0 and spoken[n - 1] in ("twenty", "thirty") and DAYS[spoken[n]] < 10)
        days = [sum({**NUMBERS, **DAYS}[word] for word in spoken[start : n + 1])]
        del spoken[start : n + 1]
    if year is None:
        rest = sum(NUMBERS.get(word, 0) for word in spoken[1:])
        year = {"two": 2000, "nineteen": 1900, "twenty": 2000}[spoken[0]] + rest
        spoken.clear()
    assert not spoken
    assert len(days) == 1
    found = date(year, month, days[0])
    assert all(WEEKDAYS[found.weekday()] == word[:3] for word in weekdays)
    return found


def year_of(figures: str) -> int:
    """The year of four digits, or of two after an apostrophe."""
    if len(figures) == 4:
        return int(figures)
    short = int(figures[1:])
    return short + (1900 if short >= 69 else 2000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.3.1999", date(1999, 3, 3)),
        ("04.III.1999", date(1999, 3, 4)),
        ("Mar 3rd '68", date(2068, 3, 3)),
        ("Wed,3 MAR 1999", date(1999, 3, 3)),
        ("the twenty first of May, twenty twenty one", date(2021, 5, 21)),
        ("May the twentieth two thousand and five", date(2005, 5, 20)),
        ("the thirtieth of june nineteen oh five", date(1905, 6, 30)),
    ],
)
def test_dates_are_read_as_people_read_them(text: str, expected: date) -> None:
    assert reading(text) == expected


def test_a_wrong_weekday_is_noticed() -> None:
    with pytest.raises(AssertionError):
        reading("Thu 3 March 1999")


def test_each_date_is_the_one_that_its_text_means() -> None:
    wrong = [source for source, target in pairs("dates") if reading(source).isoformat() != target]
    assert not wrong
    years = {int(target[:4]) for _, target in pairs("dates")}
    assert years == set(range(1900, 2100))


# Regions


def test_each_region_is_that_of_a_place_in_the_list_of_names() -> None:
    names = set((DATA / "names.txt").read_text(encoding="ascii").splitlines())
    found = dict(pairs("regions"))
    assert set(found) <= names
    assert min(Counter(found.values()).values()) > 600
    known = {
        "England": ("London", "Penzance", "Berwick-upon-Tweed", "Oswestry", "Aberford", "Hythe"),
        "Scotland": ("Edinburgh", "Gretna Green", "Lerwick", "Ballantrae", "Kilmarnock", "Aberdeen"),
        "Wales": ("Cardiff", "Hay-on-Wye", "Holyhead", "Aberystwyth", "Tenby", "Flint"),
        "Ireland": ("Dublin", "Belfast", "Cork", "Kilkenny", "Ballymena", "Swords"),
    }
    assert {place: found[place] for places in known.values() for place in places} == {
        place: region for region, places in known.items() for place in places
    }


@pytest.mark.parametrize("place", ["Newport", "Perth and Kinross", "Bangor"])
def test_a_place_of_two_regions_or_of_another_list_has_none(place: str) -> None:
    assert place not in dict(pairs("regions"))


# Tags


def test_each_character_has_a_tag() -> None:
    for source, tags in pairs("tagged"):
        assert len(source) == len(tags)
        assert set(tags) <= set(".ND#")


def test_spans_are_the_names_dates_and_numbers() -> None:
    words = {*NUMBERS, "o'clock", "half", "past", "quarter", "to"}
    for source, tags in pairs("tagged"):
        for tag, start, end in spans(tags):
            text, around = source[start:end], f" {source} "[start : end + 2]
            assert text == text.strip()
            assert not re.match(r"\w\w", around), source  # a span begins and ends where a word does
            assert not re.search(r"\w\w$", around), source
            if tag == "#":
                assert re.search(r"\d", text) or set(re.findall(r"[a-z']+", text.lower())) <= words, text
            elif tag == "D":
                parts = {word[:3] for word in re.findall(r"[a-z]+", text.lower())}
                assert re.search(r"\d", text) or parts & {*MONTHS, *WEEKDAYS}, text
            elif not source.islower():
                assert text[0].isupper(), text
        untagged = "".join(c if tag == "." else " " for c, tag in zip(source, tags, strict=True))
        assert not re.search(r"\d", untagged), source


def test_half_of_the_sentences_have_no_capitals() -> None:
    assert sum(source == source.lower() for source, _ in pairs("tagged")) == SIZES["tagged"] // 2


def test_most_names_of_held_out_sentences_are_new() -> None:
    names = [
        [source[a:b].lower() for tag, a, b in spans(tags) if tag == "N" and " " in source[a:b]]
        for source, tags in pairs("tagged")
    ]
    known = {name for found in names[300:] for name in found}
    held_out = [name for found in names[:300] for name in found]
    assert len(held_out) > 100
    assert sum(name not in known for name in held_out) / len(held_out) > 0.5


@pytest.mark.parametrize("template", ["{person}{place}", "{day}{number}"])
def test_a_template_with_spans_that_touch_is_refused(template: str) -> None:
    script = runpy.run_path(str(SCRIPT))
    with pytest.raises(ValueError, match="follows another span"):
        script["filled"](template, script["Draw"](1), script["slots"](["Hythe"]))


def test_the_example_of_the_readme_is_a_line_of_the_tagged_sentences() -> None:
    text = (DATA / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^    (.*)\n    ([.ND#]+)$", text, re.MULTILINE)
    assert example in pairs("tagged")


# Opinions


def test_half_of_the_opinions_are_positive() -> None:
    assert Counter(target for _, target in pairs("sentiment")) == {"positive": 1000, "negative": 1000}


@pytest.mark.parametrize(
    ("pattern", "keeps"),
    [
        (r"The [\w ]+ was (?:very |really |quite |truly |rather )?(\w+)[.!]", True),
        (r"The [\w ]+ could not have been more (\w+)[.!]", True),
        (r"Nobody could deny that the [\w ]+ was (\w+)[.!]", True),
        (r"The [\w ]+ was (?:not|never|hardly|far from|anything but|by no means) (\w+)[.!]", False),
        (r"Nobody could call the [\w ]+? (\w+)[.!]", False),
        (r"(?:Although|The).*, but the [\w ]+ was (?:not|never|hardly) (\w+)[.!]", False),
        (r"Although .*, the [\w ]+ was (?:not|never|hardly) (\w+)[.!]", False),
        (r"The [\w ]+ was (?:not|never|hardly) (\w+), even though .*", False),
    ],
)
def test_opinions_mean_what_their_main_clause_says(pattern: str, keeps: bool) -> None:
    topics = runpy.run_path(str(SCRIPT))["TOPICS"]
    good, bad = ({word for topic in topics for word in getattr(topic, kind)} for kind in ("good", "bad"))
    found = [(match[1], target) for source, target in pairs("sentiment") if (match := re.fullmatch(pattern, source))]
    found = [(word, target) for word, target in found if word in good | bad]
    assert len(found) >= 3
    assert all((target == "positive") == ((word in good) == keeps) for word, target in found)


def test_no_adjective_tells_whether_an_opinion_is_positive() -> None:
    for topic in runpy.run_path(str(SCRIPT))["TOPICS"]:
        for word in (*topic.good, *topic.bad):
            targets = [target for source, target in pairs("sentiment") if re.search(rf"\b{word}\b", source)]
            assert 0.25 < targets.count("positive") / len(targets) < 0.75, word


# The model


def test_the_model_is_one_of_the_tales_and_small() -> None:
    path = bundled_model()
    assert path == DATA / "saltmarrow.safetensors"
    assert path.stat().st_size < 1_500_000
    checkpoint, tales = model_file.load(path), corpus.read(Source((files.bundled_corpus(),)))
    assert checkpoint.corpus is not None
    assert (checkpoint.corpus.name, checkpoint.corpus.digest) == ("saltmarrow.txt", tales.digest)
    assert checkpoint.model.vocabulary == tales.vocabulary
    assert checkpoint.step == checkpoint.history[-1].step


def test_the_model_has_the_loss_of_its_card_with_every_engine(engine: Engine) -> None:
    checkpoint = model_file.load(DATA / "saltmarrow.safetensors")
    text = (DATA / "saltmarrow.txt").read_text(encoding="ascii")
    held_out = text[-checkpoint.corpus.validation_chars :]
    front = (DATA / "saltmarrow.md").read_text(encoding="utf-8")
    (loss,) = re.findall(r"^ +value: ([\d.]+)$", front, re.MULTILINE)
    # The score begins as after a newline, the validation after the text before it
    np.testing.assert_allclose(
        score(replace(checkpoint.model, engine=engine), held_out).nats_per_char, float(loss), atol=2e-3
    )


def test_the_card_of_the_model_is_the_one_that_export_writes() -> None:
    found = (DATA / "saltmarrow.md").read_text(encoding="utf-8")
    wanted = card(model_file.load(DATA / "saltmarrow.safetensors"), "saltmarrow", "mit")
    wanted = wanted.replace("model.safetensors", "saltmarrow.safetensors")
    # Another machine may round another way, and draw other samples
    (begin, rest), (wanted_begin, wanted_rest) = (text.split("## Samples\n") for text in (found, wanted))
    assert begin == wanted_begin
    usage, wanted_usage = (text.partition("## Usage\n")[2] for text in (rest, wanted_rest))
    assert re.sub(r"charrnn [\d.]+\d", f"charrnn {VERSION}", usage) == wanted_usage
