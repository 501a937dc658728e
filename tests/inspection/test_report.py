"""The page: its content, its size, and its behaviour in a real browser."""

import html
import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.dataset.control_characters import visible
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.record_form import RecordForm
from charrnn.inspection.attribution import attribution
from charrnn.inspection.context import context, place_numbers
from charrnn.inspection.neurons import activations, neurons
from charrnn.inspection.report.script_data import STEPS, pack_units
from charrnn.inspection.surprisal import surprisal
from charrnn.model.model import Model
from charrnn.sampling.generate import samples
from charrnn.sampling.lines import sample_lines
from charrnn.sampling.translate import translate
from charrnn.training.state import CorpusInfo, Evaluation
from support.browser import check_appearance, open_page, wait_until
from support.cells import CELLS
from support.inspection import LINES, VERSE, random_model, random_reader
from support.processes import charrnn, train_model

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from charrnn.inspection.report.page import ReportEntry, render
from charrnn.inspection.report.samples import page_samples

MISCHIEF = (
    "<script>alert('&amp;')</script>\n</pre><img src=x onerror=alert(1)> & \"quoted\" </script><!-- \\u003c {{ 7 }}\n"
    "плюс [[0]] <b>bold</b> $x^2$ && <svg/onload=alert(2)>\n" * 4
)
SHORT = LINES * 9
SOURCES = ["the cat sat", "NOBODY sat", "the rat (on it)"]


def entry(name: str, model: Model, validation_text: str, text: str | None = None) -> ReportEntry:
    """A model of a page."""
    return ReportEntry(name, Checkpoint(model), validation_text, text)


def unpacked(data: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The steps of all units, as the script of the page unpacks them."""
    import base64
    import zlib

    rows = np.frombuffer(zlib.decompress(base64.b64decode(data["packed"])), np.int8)
    return np.cumsum(rows.reshape(len(data["units"]), -1).astype(int), axis=1)


class Links(html.parser.HTMLParser):
    """Collects the tags of a page, and what it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]


def data_of(page: str) -> list[dict[str, Any]]:
    """The data for the script of a page."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(found)


@pytest.mark.parametrize("cell", CELLS)
def test_the_page_has_the_activations_of_all_units(cell: str) -> None:
    model = random_model(cell, 2)
    text = VERSE[:400].replace("12", "1☃")
    (data,) = data_of(render([entry("m", model, VERSE, text)]))
    exact = activations(model, text)
    rows = unpacked(data)
    assert sorted(map(tuple, data["units"])) == [(layer, index) for layer in range(2) for index in range(6)]
    for (layer, index), top, row in zip(data["units"], data["tops"], rows, strict=True):
        known = ~np.isnan(exact[layer, index])
        highest = exact[layer, index][known].max()
        assert top == (pytest.approx(highest or 1, rel=0.01) if cell == "rnn_relu" else 1)
        assert np.abs(row[known] / STEPS * top - exact[layer, index][known]).max() <= (0.5 / STEPS + 0.01) * top
        assert (row.min(), row.max()) >= ((0, 0) if cell == "rnn_relu" else (-STEPS, -STEPS))
        assert row.max() <= STEPS
    best = neurons(model, text)["features"][0]["units"][0]
    assert data["units"][0] == [best["layer"], best["index"]]
    bits = surprisal(model, text)["bits"]
    assert [e and e[0] for e in data["expected"]] == [None if b is None else round(b, 1) for b in bits]


def test_the_page_refers_to_nothing_else_and_shows_mischief_as_text() -> None:
    model = random_model(characters=MISCHIEF)
    shown = render([entry("<i>&</i>", model, MISCHIEF)])
    parser = Links()
    parser.feed(shown)
    assert all(link.startswith(("#", "data:")) for link in parser.links)
    assert "img" not in parser.tags
    assert parser.tags.count("script") == 2
    assert "&lt;i&gt;&amp;&lt;/i&gt;" in shown
    assert not re.search(
        r"""(?i)url\((?!["']?(#|data:))|@import|https?://(?!www\.w3\.org|purl\.org|creativecommons)""", shown
    )


def test_a_page_of_512_units_and_5000_characters_takes_less_than_two_megabytes() -> None:
    model = random_model("lstm", H=512, scale=0.15)
    text = render([entry("m", model, VERSE[:60], (VERSE * 9)[:5200])])
    assert len(text.encode()) < 2_000_000
    (data,) = data_of(text)
    assert unpacked(data).shape == (512, 5000)


@pytest.mark.parametrize("max_bytes", [0, 500, 2000])
def test_if_the_units_are_too_many_those_that_vary_least_are_left_out(max_bytes: int) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (2, 8, 200)) * np.linspace(0, 1, 16).reshape(2, 8, 1)
    found = pack_units(values, np.ones((2, 8)), [(0, 1), (1, 0)], max_bytes)
    units = [tuple(unit) for unit in found["units"]]
    assert units[:2] == [(0, 1), (1, 0)]
    assert units[2:] == sorted(units[2:])
    assert max_bytes == 0 or len(found["packed"]) <= max_bytes
    others = [unit for unit in np.ndindex(2, 8) if unit not in units[:2]]  # each varies more than the one before
    assert units[2:] == others[len(others) - len(units) + 2 :]
    assert unpacked(found).shape == (len(units), 200)


def test_a_page_about_a_large_vocabulary_takes_less_than_two_megabytes() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 2500))) + "\n"
    shown = render([entry("m", random_model(characters=text, H=8), text, text * 2)])
    assert len(shown.encode()) < 2_000_000
    assert "2,001 others are left out" in shown


def test_invisible_characters_are_shown_as_escapes() -> None:
    text = "the cat\r\nsat\0 on\x1b it.\n" * 3
    shown = render([entry("m", random_model(characters=text), text, text)])
    assert not {"\r", "\0", "\x1b"} & set(shown)
    assert shown.count("<i>\\r</i>") == 6


def test_several_models_share_charts_and_have_their_own_texts() -> None:
    shown = render([entry(cell, random_model(cell), VERSE, LINES) for cell in CELLS])
    assert shown.count('<pre class="reading"') == 8
    assert shown.count('<pre class="sample"') == 12
    assert len(data_of(shown)) == 4
    assert all(f"<h3>{cell}</h3>" in shown for cell in CELLS)
    assert re.findall(r"<td>(rnn.*?|gru|lstm)</td>", shown) == ["lstm", "gru", "rnn", "rnn with relu"]
    legends = re.findall(
        r'<span class="legend" aria-hidden="true">([^<]*)<.*?>([^<>]+)</span>', shown.split('id="neurons"')[1]
    )
    assert legends[:4] == [("−1", "1")] * 3 + [("0", "the unit&#39;s highest")]


# Samples


def samples_in(page: str) -> list[str]:
    """The samples of a page, in order."""
    return [html.unescape(text) for text in re.findall(r'<pre class="sample">(.*?)</pre>', page, re.DOTALL)]


def pairs_model(labels: LabelSet | None) -> Model:
    """A model that writes the targets of sources."""
    return replace(
        random_model(characters=VERSE + LINES + "\tabcdefghijk"),
        layout="pairs",
        line_set=LineSet(8, None),
        labels=labels,
    )


def test_the_page_begins_with_samples_that_are_the_same_for_the_same_model() -> None:
    model = random_model()
    first, other = (render([entry("m", model, text)]) for text in (VERSE, VERSE[:900]))
    expected = [sample.text for sample in samples(model, count=3, length=300, seed=1)]
    assert [*map(visible, expected)] == samples_in(first) == samples_in(other)
    assert re.findall('<section id="(.*?)">', first)[:2] == ["samples", "model"]
    for cell in ("rnn", "gru"):
        expected = [sample.text for sample in samples(random_model(cell), count=3, length=300, seed=1)]
        assert [sample["text"] for sample in page_samples(random_model(cell), VERSE)] == expected


def test_the_samples_of_lines_are_whole_lines() -> None:
    model = random_model(layout="lines")
    expected = [sample.text for sample in sample_lines(model, count=12, seed=1, length=model.default_length)]
    assert [dict(sample)["text"] for sample in page_samples(model, LINES)] == expected
    records = replace(model, record_form=RecordForm.between("%%"))
    assert len(page_samples(records, LINES)) == 3


def test_a_model_of_labels_writes_to_the_most_frequent_ones() -> None:
    labels = LabelSet(tuple("abcdefghijk"), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11))
    model = pairs_model(labels)
    found = page_samples(model, "not read")
    assert [sample["heading"] for sample in found] == [*"kjihgfed"]
    for sample in found:
        (alone,) = sample_lines(model, count=1, seed=1, label=sample["heading"], length=model.default_length)
        assert sample["text"] == alone.text


def test_a_model_of_pairs_rewrites_the_first_different_sources() -> None:
    text = "the cat\tx\n\nthe cat\ty\nsat\n\N{SNOWMAN}\n" + "".join(f"rat {'t' * n}\n" for n in range(9))
    for model in (pairs_model(None), random_reader("translator")):
        found = page_samples(model, text)
        assert [sample["heading"] for sample in found] == ["the cat", "sat", "rat ", "rat t", "rat tt", "rat ttt"]
        expected = translate(model, ["the cat", "sat"], length=300)
        assert [sample["text"] for sample in found[:2]] == [target.text for target in expected]
    for form in ("classifier", "tagger"):
        assert page_samples(random_reader(form), text) == []


# What the page has of the texts


def words_of(page: str) -> str:
    """What a reader of the page sees, but for the samples: the text between its tags."""
    return html.unescape(
        re.sub(r"<(style|script).*?</\1>|<pre class=.sample.*?</pre>|<[^>]*>", "", page, flags=re.DOTALL)
    )


@pytest.mark.parametrize("text", [VERSE, SHORT, MISCHIEF])
def test_without_text_the_page_has_no_part_of_it_and_nothing_to_guess_it_from(text: str) -> None:
    model = random_model(characters=MISCHIEF + VERSE + LINES)
    page = render([entry("m", model, text)], without_text=True)
    assert data_of(page) == [{"steps": STEPS}]
    parts = {visible(text[n : n + 7]) for n in range(0, min(len(text) - 6, 2000), 3)}
    assert not [part for part in parts if part in words_of(page)]
    assert 'class="reading"' not in page
    assert "This page contains none of the texts" in page
    assert re.findall(r"The two halves have ([\d,]+) characters", page) == [f"{len(text):,}"]
    assert f"{surprisal(model, text[:5000])['mean_bits']:.3f} bits per character" in page
    if text is SHORT:  # as a check of the check
        whole = render([entry("m", model, text)])
        assert [part for part in parts if part in words_of(whole)] == [*parts]
        assert f"This page contains {len(text)} characters" in whole


@pytest.mark.parametrize("form", ["classifier", "tagger", "translator"])
def test_without_text_a_reader_shows_no_line(form: str) -> None:
    model = random_reader(form, characters=LINES + VERSE + "\t")
    targets = ["cat", "sat", "on it"] if form == "translator" else ["N", "x", "N"]  # of pairs, so that none is searched
    text = "".join(f"{source}\t{target}\n" for source, target in zip(SOURCES, targets, strict=True))
    page = render([entry("m", model, text)], without_text=True)
    assert not [source for source in SOURCES if source in words_of(page)]
    assert "The texts are left out." in page
    assert 'class="sample"' not in page
    whole = render([entry("m", model, text)])
    assert any(source in words_of(whole) for source in SOURCES)
    (chars,) = re.findall(r"This page contains ([\d,]+) characters", whole)
    if form == "tagger":  # of which only the lines with spans are shown
        spans = attribution(model, text, 2000)["answers"]
        assert int(chars) == sum(map(len, {span["text"] for span in spans}))
    else:
        assert int(chars) == sum(map(len, SOURCES)) + (sum(map(len, targets)) if form == "translator" else 0)


def test_the_page_says_how_much_of_the_corpus_it_has_and_why_a_training_loss_is_above_the_validation_loss() -> None:
    corpus, base = CorpusInfo("verse.txt", 8000, "0" * 64, 6000, 2000), random_model(H=3)
    losses = [(3.0, 2.5), (2.0, 2.0), (1.9, 1.8), (1.5, 1.7), (None, 1.6), (1.4, None)]
    history = [Evaluation(10 * n, 0, 0.1, *row) for n, row in enumerate(losses, 1)]
    dropouts = {"none": (0.0, 0.0), "weights": (0.0, 0.5), "both": (0.25, 0.5), "below": (0.5, 0.0)}
    entries = []
    for n, (name, (units, weights)) in enumerate(dropouts.items()):
        model = replace(base, config=replace(base.config, dropout=units, drop_connect=weights))
        rows = history[3:] if name == "below" else history
        checkpoint = replace(Checkpoint(model), history=rows, corpus=corpus if n else None)
        entries.append(ReportEntry(name, checkpoint, VERSE[: 200 + 400 * n], None))
    page = " ".join(render(entries).split())
    shares = dict(re.findall(r"characters of the text that (\w+) read for it(.*?)\. <code>", page))
    assert shares == {"none": ""} | {
        name: f", which is as much as {share} % of its corpus, verse.txt"
        for name, share in {"weights": "7.5", "both": "12.5", "below": "17.5"}.items()
    }
    assert re.findall(r"contains ([\d,]+) characters", page) == ["200", "600", "1,000", "1,400"]
    said = dict(
        re.findall(r"<p>At 2 of 4 evaluations the training loss of (\w+) is above its validation loss\.(.*?)</p>", page)
    )
    assert set(said) == set(dropouts) - {"below"}
    for name, words in said.items():
        units, weights = dropouts[name]
        assert ("dropout is on in training" in words) == (units + weights > 0)
        assert ("25 % of the units" in words) == (units > 0)
        assert ("50 % of the recurrent weights" in words) == (weights > 0)
    assert "below is above" not in page
    assert "loss of below" not in page


def test_what_is_averaged_over_some_places_says_over_how_many() -> None:
    models = {cell: random_model(cell) for cell in ("rnn", "lstm")}
    page = render([entry(cell, model, VERSE[:700]) for cell, model in models.items()])
    rnn = "the gradient is the mean over 64 places of a text of 700 characters, the loss that over 256 places"
    gates = ", and the shares of the gates are over 700 steps"
    said = re.findall(r'<p class="places">(\w+: .*?)</p>', page)
    assert said == [f"rnn: {rnn}.", f"lstm: {rnn}{gates}."]
    assert re.findall("mean of [^<]*places", page) == ["mean of 64 places", "mean of 256 places"]
    reaches = [context(model, VERSE[:700])["gradient"]["below"]["0.0001"] for model in models.values()]
    (cells,) = re.findall(r"a ten-thousandth</th>(.*?)</tr>", page)
    assert re.findall("<td>(.*?)</td>", cells) == ["not within 256" if k is None else f"at k = {k}" for k in reaches]


@pytest.mark.parametrize("numbers", [[1], [64], [64, 64], [64, 20]])
def test_the_numbers_of_places_are_listed_once(numbers: list[int]) -> None:
    expected = {(1,): "1 place", (64,): "64 places", (64, 64): "64 places", (64, 20): "64 or 20 places"}
    assert place_numbers(numbers) == expected[tuple(numbers)]


# In a browser


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about two models of mischievous text, as the command writes it."""
    folder = tmp_path_factory.mktemp("page")
    model = train_model(folder, MISCHIEF * 3, "--eval-every", 10)
    (folder / "other.safetensors").write_bytes(model.read_bytes())
    args = (
        "inspect",
        model,
        "other.safetensors",
        "--page",
        "page.html",
        "--corpus",
        "corpus.txt",
        "--neurons",
        MISCHIEF,
    )
    done = charrnn(*args, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "page.html"


def opened(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> Any:
    """The page in the browser, ready."""
    open_page(browser, path, width, scheme)
    wait_until(browser, "return !document.querySelectorAll('.model:not([data-ready])').length")
    return browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_has_no_errors_and_makes_no_requests(width: int, scheme: str, browser: Any, written: Path) -> None:
    opened(browser, written, width, scheme)
    check_appearance(browser, written, scheme, f"inspect-{width}-{scheme}.png")


def test_the_texts_are_shown_unchanged(browser: Any, written: Path) -> None:
    opened(browser, written)
    for reading in browser.execute_script("return [...document.querySelectorAll('.reading')].map(e => e.textContent)"):
        assert reading == MISCHIEF
    assert browser.execute_script("return document.images.length + document.querySelectorAll('b b').length") == 0


def test_the_chooser_recolours_the_text(browser: Any, written: Path) -> None:
    opened(browser, written)
    colours = """
        const characters = document.querySelectorAll('#neurons .model .reading')[0].children;
        return Array.from(characters).slice(0, 200).map((c) => getComputedStyle(c).backgroundColor).join();
    """
    (data, _) = data_of(written.read_text(encoding="utf-8"))
    rows, seen = unpacked(data), set()
    for unit in (0, 3, len(data["units"]) - 1):
        browser.execute_script(
            "const c = document.querySelector('.chooser'); c.value = arguments[0];c.dispatchEvent(new Event('change'))",
            str(unit),
        )
        seen.add(browser.execute_script(colours))
        classes = browser.execute_script(
            "return Array.from(document.querySelector('#neurons .reading').children).map((c) => c.className)"
        )
        assert classes == [f"u{step + STEPS}" for step in rows[unit]]
    assert len(seen) == 3
    buttons = browser.find_elements("css selector", "#neurons .model:first-of-type button.unit")
    buttons[-1].click()
    chosen = browser.execute_script("return document.querySelector('.chooser').selectedOptions[0].text")
    assert chosen == buttons[-1].text
    assert buttons[-1].get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("cell", ["lstm", "rnn_relu"])
def test_pointing_shows_the_activation_of_the_unit(cell: str, browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import Keys

    model = random_model(cell)
    (tmp_path / "page.html").write_text(render([entry("m", model, VERSE, VERSE[:40])]), encoding="utf-8")
    opened(browser, tmp_path / "page.html")
    exact = activations(model, VERSE[:40])
    section = browser.find_element("css selector", "#neurons .model")
    reading, status = (section.find_element("css selector", name) for name in (".reading", ".status"))
    for option in section.find_elements("css selector", ".chooser option"):
        option.click()
        layer, index = map(int, option.text.split(":"))
        top = exact[layer, index].max() if cell == "rnn_relu" else 1
        for n, key in enumerate((Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)):
            reading.send_keys(key)
            shown = float(status.text.split()[-1].replace("−", "-"))
            assert abs(shown - exact[layer, index, n]) <= 0.5 / STEPS * top + 0.01 * max(top, 1)


def test_pointing_shows_what_was_expected(browser: Any, written: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    opened(browser, written)
    (data, _) = data_of(written.read_text(encoding="utf-8"))
    section = browser.find_element("css selector", "#surprisal .model")
    status = section.find_element("css selector", ".status")
    characters = section.find_elements("css selector", ".reading i")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", characters[5])
    ActionChains(browser).move_to_element(characters[5]).perform()
    bits, expected = data["expected"][5]
    assert status.text.startswith(f"{MISCHIEF[5]} {bits:.1f} bits; expected:")
    assert all(f"{character} {percent} %" in status.text for character, percent in expected)
    reading = section.find_element("css selector", ".reading")
    reading.send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert status.text.startswith(f"{MISCHIEF[2]} {data['expected'][2][0]:.1f} bits")
    reading.send_keys(Keys.ARROW_DOWN)
    second = MISCHIEF.index("\n") + 1
    at = browser.execute_script(
        "return Array.from(arguments[0].children).findIndex((c) => c.classList.contains('here'))", reading
    )
    assert second <= at < second + 60
    reading.send_keys(Keys.END)
    assert status.text.startswith("⏎ ")


def test_the_keyboard_reaches_everything(browser: Any, written: Path) -> None:
    from selenium.webdriver import Keys

    opened(browser, written)
    reached = set()
    for _ in range(200):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        reached.add(element.tag_name)
        if element.tag_name == "body":
            break
    assert {"a", "button", "select", "pre", "summary"} <= reached
