"""The page that writes: it computes what Python computes, and what comes from a model is text and nothing else."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.checkpoint import model_file
from charrnn.checkpoint.adapted_text import AdaptedText
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.config import SamplingConfig
from charrnn.dataset.label_set import LabelSet
from charrnn.dataset.line_set import LineSet
from charrnn.dataset.record_form import RecordForm
from charrnn.dataset.text_form import TextForm
from charrnn.errors import ConfigError, ExportError
from charrnn.export.options import ExportOptions
from charrnn.export.page import page as pages
from charrnn.export.page.page import render
from charrnn.export.page.weights import PRECISIONS, pack_weights, rounded_model
from charrnn.layers.softmax import log_softmax
from charrnn.model.model import Model
from charrnn.sampling import filters
from charrnn.sampling.decoder import sample_categorical
from charrnn.training.state import CorpusInfo
from support.browser import check_appearance, open_page, requests_of, wait_until
from support.cells import CELLS
from support.inspection import random_reader
from support.random_models import random_model
from support.readmes import DOCS, ROOT

MISCHIEF = (
    "<script>alert('&amp;')</script></textarea> <img src=x onerror=alert(1)> & \"quoted\" <!-- \\u003c {{config}} ]]>\n"
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} \N{ARABIC LETTER MEEM}\N{ARABIC FATHA} "
    "\N{MAN}\N{ZERO WIDTH JOINER}\N{ROCKET}\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}"
)


def page_of(model: Model, folder: Path, checkpoint: Checkpoint | None = None, **options: Any) -> Path:
    """The page of a model, as a file."""
    path = folder / "page.html"
    text = render(replace(checkpoint or Checkpoint(model), model=model), "name", "2026-01-02", ExportOptions(**options))
    path.write_text(text, encoding="utf-8")
    return path


def run(browser: Any, parts: Sequence[str], script: str, *values: Any) -> Any:
    """What a script returns that uses parts of the worker's script, on a page without a policy of its own."""
    browser.get("about:blank")
    source = "".join(pages._read(f"worker/{part}.js") for part in parts)
    return browser.execute_script(source + script, *values)


# What it computes


def logits_in(browser: Any, model: Model, precision: str, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The logits [N, V] after each of some characters in the browser: with SIMD, and in plain JavaScript."""
    packed = pack_weights(model, precision)
    found = run(
        browser,
        ("arithmetic", "network"),
        """
        const [config, weights, ids] = arguments;
        return (async () => {
          const packed = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
          const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
          const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
          return [true, false].map((withSimd) => {
            const network = networkOf(config, bytes, withSimd);
            network.step(ids.at(-1)); // which is forgotten
            network.reset();
            return ids.map((id) => Array.from(network.step(id)));
          });
        })();
        """,
        pages._config(model, precision) | {"floats": packed.floats},
        packed.text,
        [int(i) for i in ids],
    )
    return np.array(found[0]), np.array(found[1])


def logits_of(model: Model, ids: Sequence[int]) -> np.ndarray:
    """The same in Python."""
    state, found = model.zero_state(1), []
    for i in ids:
        y, state = model.step(np.array([i]), state)
        found.append(y[0])
    return np.array(found)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("cell", "layers", "H"), [("lstm", 2, 37), ("gru", 5, 30), ("rnn", 3, 13), ("rnn_relu", 1, 20)]
)
def test_the_logits_of_every_cell_are_those_of_the_rounded_model(
    cell: str, layers: int, H: int, precision: str, browser: Any
) -> None:
    model = random_model(cell, layers=layers, hidden_size=H)
    ids = np.random.default_rng(1).integers(0, len(model.vocabulary), 200)
    exact, narrow = logits_of(model, ids), logits_of(rounded_model(model, precision), ids)
    for found in logits_in(browser, model, precision, ids):
        difference = np.abs(found - narrow).max(axis=1)
        if precision == "bfloat16":
            assert difference.max() < 1e-4
        # In int8, a unit at the border between two whole numbers may be rounded to the other one
        assert difference.max() < 0.5 * np.abs(exact - narrow).max()
        assert np.median(difference) < 2e-5


@pytest.mark.parametrize(
    ("name", "path"), [("tales", "saltmarrow.txt"), ("names", "names.txt"), ("regions", "regions.tsv")]
)
def test_the_logits_of_trained_models_are_those_of_the_rounded_model_within_what_rounding_costs(
    name: str, path: str, browser: Any
) -> None:
    model = model_file.load(DOCS / f"{name}.safetensors").model
    text = (ROOT / "data" / path).read_text(encoding="utf-8")[-1000:]
    ids, known = model.vocabulary.select(text)
    assert known.mean() > 0.99
    exact, narrow = logits_of(model, ids), logits_of(rounded_model(model, "int8"), ids)
    cost = np.abs(exact - narrow)
    for found in logits_in(browser, model, "int8", ids):
        difference = np.abs(found - narrow)
        assert difference.max() < cost.max() < 1
        assert difference.mean() < 0.5 * cost.mean()


def test_products_of_whole_numbers_are_exact_and_tanh_is_nearly(browser: Any) -> None:
    rng = np.random.default_rng(2)
    W, x = rng.integers(-127, 128, (12, 64)), rng.integers(-127, 128, 64)
    steps, b = 2.0 ** rng.integers(-3, 3, 12), rng.integers(-99, 99, 12)
    values = np.concatenate((np.linspace(-10, 10, 400), [0.0, 1e-6, -1e-30, 1e30])).astype(np.float32)
    for with_simd in (True, False):
        compiles, y, tanh = run(
            browser,
            ("arithmetic",),
            """
            const [withSimd, K, ...numbers] = arguments;
            const { array, whole, tanh } = arithmeticIn(1 << 16, K, withSimd);
            const types = [Int8Array, Int16Array, Float32Array, Float32Array, Float32Array];
            const [W, x, steps, b, values] = numbers.map((all, n) => {
              const made = array(types[n], all.length);
              made.set(all);
              return made;
            });
            const y = array(Float32Array, b.length);
            whole(W, x, y, steps, b, 0.5);
            tanh(values);
            return [compiledArithmetic(K) !== null, ...[y, values].map((all) => Array.from(all))];
            """,
            with_simd,
            len(x),
            *(numbers.ravel().tolist() for numbers in (W, x, steps, b, values)),
        )
        assert compiles
        assert y == (0.5 * steps * (W @ x) + b).tolist()
        np.testing.assert_allclose(tanh, np.tanh(values), rtol=1e-6, atol=1e-12)


CONFIGS = [
    {},
    {"temp": 0.0},
    {"temp": 0.6},
    {"temp": 1.7, "top_k": 3},
    {"top_k": 1},
    {"top_k": 99},
    {"top_p": 0.7},
    {"temp": 0.5, "top_p": 0.9, "min_p": 0.1},
    {"min_p": 0.3},
    {"temp": 0.8, "top_k": 6, "top_p": 0.8, "min_p": 0.05},
]


def as_settings(config: SamplingConfig) -> dict[str, float]:
    """The settings of the page for a configuration."""
    return {"temp": config.temp, "topK": config.top_k, "topP": config.top_p, "minP": config.min_p}


def test_the_filters_leave_the_same_candidates_and_the_same_draws(browser: Any) -> None:
    rng = np.random.default_rng(3)
    rows = log_softmax(rng.normal(0, 2, (30, 12)).round(0))  # with many that are equally likely
    u = [*rng.random(40), 0.0, np.nextafter(1, 0)]
    configs = [SamplingConfig(**config) for config in CONFIGS]
    found = run(
        browser,
        ("filters",),
        """
        const [rows, configs, numbers] = arguments;
        return configs.map((settings) => rows.map((row) => {
          const logp = applyFilters(Float64Array.from(row), settings);
          return [Array.from(logp, Math.exp), numbers.map((u) => draw(logp, u))];
        }));
        """,
        rows.tolist(),
        [*map(as_settings, configs)],
        u,
    )
    for config, of_config in zip(configs, found, strict=True):
        wanted = filters.apply(rows, config)
        shares, drawn = zip(*of_config, strict=True)
        assert np.array_equal(np.array(shares) > 0, wanted > -np.inf)
        np.testing.assert_allclose(shares, np.exp(wanted), rtol=1e-12)
        for row, ids in zip(wanted, drawn, strict=True):
            assert ids == sample_categorical(np.tile(row, (len(u), 1)), np.array(u)).tolist()


def random_numbers(browser: Any, seed: int, n: int) -> list[float]:
    """The first random numbers of a seed."""
    script = "const next = randomNumbers(arguments[0]); return Array.from({ length: arguments[1] }, next);"
    return run(browser, ("filters",), script, seed, n)


def test_random_numbers_follow_from_the_seed_and_are_spread_evenly(browser: Any) -> None:
    seeds = (0, 1, 2, 2**32 - 1, 2**33 + 1)
    drawn = np.array([random_numbers(browser, seed, 3000) for seed in seeds])
    assert drawn[1].tolist() == random_numbers(browser, 1, 3000)
    assert (drawn >= 0).all()
    assert (drawn < 1).all()
    assert len(np.unique(drawn)) == drawn.size
    shares = [np.histogram(row, 10, (0, 1))[0] / 3000 for row in drawn]
    np.testing.assert_allclose(shares, 0.1, atol=0.025)
    assert np.abs(np.corrcoef(drawn) - np.eye(len(seeds))).max() < 0.08


# What it writes


def fill(browser: Any, **values: Any) -> None:
    """Fills in fields, as a reader does; `top_p` means the field `top-p`."""
    script = """
        for (const [id, value] of Object.entries(arguments[0])) {
          const field = document.getElementById(id);
          if (field.type === "checkbox") field.checked = value;
          else field.value = value;
          for (const event of ["input", "change"]) field.dispatchEvent(new Event(event, { bubbles: true }));
        }
    """
    browser.execute_script(script, {name.replace("_", "-"): value for name, value in values.items()})


def idle(browser: Any) -> None:
    """Waits until the page writes no more."""
    wait_until(
        browser,
        "return !document.body.classList.contains('writing') && document.getElementById('next').children.length",
    )


def text_of(browser: Any) -> str:
    return browser.execute_script("return wholeText()")


def click(browser: Any, name: str) -> str:
    """Clicks on a button, waits, and returns the text."""
    browser.execute_script("document.getElementById(arguments[0]).click()", name)
    idle(browser)
    assert browser.execute_script("return document.getElementById('text').textContent") == text_of(browser)
    return text_of(browser)


def opened(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
    """Opens a page, and waits for what it writes by itself."""
    open_page(browser, path, width, scheme)
    idle(browser)


def written(model: Model, read: str, numbers: list[float], config: SamplingConfig, length: int) -> str:
    """What Python writes after a text with some random numbers, up to the end of a line if the model writes lines."""
    vocabulary, state, ids = model.vocabulary, model.zero_state(1), []
    for i in (model.start, *vocabulary.encode(read)):
        y, state = model.step(np.array([i]), state)
    for u in islice(numbers, length):
        logp = filters.apply(log_softmax(y.astype(np.float64)), config)
        ids.append(int(sample_categorical(logp, np.array([u]))[0]))
        if model.reads_lines and vocabulary.characters[ids[-1]] == model.end:
            return vocabulary.decode(ids[:-1])
        y, state = model.step(np.array(ids[-1:]), state)
    return vocabulary.decode(ids)


@pytest.mark.parametrize("cell", CELLS)
def test_it_writes_what_python_writes_with_its_random_numbers(cell: str, browser: Any, tmp_path: Path) -> None:
    model = random_model(cell, scale=0.5)
    config = SamplingConfig(temp=0.85, top_k=7, top_p=0.97, min_p=0.01)
    wanted = written(rounded_model(model, "bfloat16"), "abé", random_numbers(browser, 7, 300), config, 300)
    opened(browser, page_of(model, tmp_path, precision="bfloat16"))
    fill(browser, seed=7, temp=0.85, top_k=7, top_p=0.97, min_p=0.01, length=300, prime="a☃bé")
    assert click(browser, "write") == "abé" + wanted
    assert browser.execute_script("return document.getElementById('unknown').textContent").endswith("seen it: ☃")


def test_the_same_seed_gives_the_same_text_twice_and_after_a_reload(browser: Any, tmp_path: Path) -> None:
    path = page_of(random_model(), tmp_path)
    texts, others = [], []
    for _ in range(2):
        opened(browser, path)
        others.append(text_of(browser))
        fill(browser, seed=3, length=200)
        texts += [click(browser, "write"), click(browser, "write")]
    assert len({*texts}) == 1
    assert len(texts[0]) == 200
    assert others[0] != others[1]
    assert "200 characters" in browser.execute_script("return document.getElementById('status').textContent")
    assert len(click(browser, "more")) == 400
    fill(browser, length=400)
    assert text_of(browser) == click(browser, "write")  # it goes on as if it had never stopped


def test_lines_are_written_ten_at_a_time_each_with_its_seed(browser: Any, tmp_path: Path) -> None:
    model = random_model(layout="lines", line_set=LineSet(9, None), scale=0.5)
    numbers = [random_numbers(browser, seed, 60) for seed in range(5, 25)]
    narrow, config = rounded_model(model, "bfloat16"), SamplingConfig(temp=0.8)
    wanted = ["b" + written(narrow, "b", row, config, model.default_length) for row in numbers]
    opened(browser, page_of(model, tmp_path, precision="bfloat16"))
    assert text_of(browser).count("\n") == 10
    fill(browser, seed=5, prime="b\nc")  # the second line of which is no beginning of one
    assert click(browser, "write").splitlines() == wanted[:10]
    assert click(browser, "more").splitlines() == wanted
    assert browser.execute_script("return document.getElementById('more').textContent") == "Ten more"


def test_records_may_have_newlines(browser: Any, tmp_path: Path) -> None:
    model = replace(
        random_model(characters="\n\x1eab", layout="lines", line_set=LineSet(9, None), scale=0.5),
        record_form=RecordForm.between("%%"),
    )
    opened(browser, page_of(model, tmp_path))
    assert text_of(browser).count("\n%%\n") == 10
    assert "\x1e" not in text_of(browser)


def test_a_model_of_labels_has_a_menu_of_them(browser: Any, tmp_path: Path) -> None:
    labels = LabelSet(("a&<b>", "b", "é"), (2, 9, 5))
    model = random_model(
        characters="\n\tabcdeé&<>", layout="pairs", line_set=LineSet(9, None), labels=labels, scale=0.5
    )
    numbers = [random_numbers(browser, seed, 60) for seed in range(1, 11)]
    opened(browser, page_of(model, tmp_path, precision="bfloat16"))
    options = browser.execute_script("return Array.from(document.getElementById('label').options, (o) => o.text)")
    assert options == ["b", "é", "a&<b>"]  # the most frequent first
    fill(browser, seed=1, label="a&<b>")
    narrow, config = rounded_model(model, "bfloat16"), SamplingConfig(temp=0.8)
    wanted = [written(narrow, "a&<b>\t", row, config, model.default_length) for row in numbers]
    assert click(browser, "write").removesuffix("\n").split("\n") == wanted


def test_a_text_ends_before_its_stop_text(browser: Any, tmp_path: Path) -> None:
    opened(browser, page_of(random_model(characters="\nabcd", scale=0.3), tmp_path))
    fill(browser, seed=1, length=500)
    whole = click(browser, "write")
    for stop in (whole[40:43], whole[90:95], whole[200], "\n"):
        fill(browser, stop=stop.replace("\n", "\\n"))
        assert click(browser, "write") == whole[: whole.index(stop)]
        assert "stop text" in browser.execute_script("return document.getElementById('status').textContent")
    fill(browser, stop="never")
    assert click(browser, "write") == whole


def test_the_reader_picks_from_the_five_likeliest(browser: Any, tmp_path: Path) -> None:
    model = random_model()
    opened(browser, page_of(model, tmp_path, precision="bfloat16"))
    fill(browser, seed=4, length=30, prime="a")
    text, narrow = click(browser, "write"), rounded_model(model, "bfloat16")
    for n in (0, 4, 2):
        state = narrow.zero_state(1)
        for i in (model.start, *model.vocabulary.encode(text)):
            y, state = narrow.step(np.array([i]), state)
        shares = np.exp(log_softmax(y[0].astype(np.float64)))
        best = np.argsort(-shares, kind="stable")[:5]
        buttons = browser.find_elements("css selector", "#next button")
        named = [button.get_attribute("aria-label") for button in buttons]
        assert len(named) == 5
        assert named[0].endswith(f"{round(100 * shares[best[0]])} %")
        before = text_of(browser)
        browser.find_element("tag name", "body").send_keys(str(n + 1))
        wait_until(browser, f"return wholeText().length > {len(before.encode('utf-16-le')) // 2}")
        text = before + model.vocabulary.characters[best[n]]
        assert text_of(browser) == text
    assert len(click(browser, "more")) == len(text) + 30


def test_a_model_of_bytes_writes_whole_characters(browser: Any, tmp_path: Path) -> None:
    model = random_model(characters=None, hidden_size=8, scale=0.1)
    for byte, bias in ((0xC3, 9.0), (0xA9, 9.0)):  # é, and halves of it
        model.params["b_out"][byte] += bias
    opened(browser, page_of(model, tmp_path))
    fill(browser, seed=1, length=200, prime="é☃")
    text = click(browser, "write")
    assert text.startswith("é☃")
    assert text.count("é") > 10
    assert "Ã" not in text


def test_the_prime_is_read_in_the_normal_form_of_the_model(browser: Any, tmp_path: Path) -> None:
    model = random_model(text_form=TextForm(normalization="nfc"))
    opened(browser, page_of(model, tmp_path))
    fill(browser, seed=1, length=5, prime="e\N{COMBINING ACUTE ACCENT}")
    assert click(browser, "write").startswith("é")


def test_colours_show_the_surprisal_and_leave_the_text_as_it_is(browser: Any, tmp_path: Path) -> None:
    opened(browser, page_of(random_model(characters=sorted({*MISCHIEF})), tmp_path))
    fill(browser, seed=1, length=300, prime="<!--")
    plain = click(browser, "write")
    fill(browser, colours=True)
    spans, bits = browser.execute_script("""
        const spans = Array.from(document.querySelectorAll("#text span"), (s) => [s.className, s.textContent]);
        return [spans, shown.flatMap((piece) => piece.bits ?? [])];
    """)
    assert plain == "<!--" + "".join(text for _, text in spans)
    steps = [sum(b >= least for least in (1, 2, 4, 6, 9)) for b in bits]
    starts = np.cumsum([0, *(len(text) for _, text in spans)])[:-1]
    assert [name for name, _ in spans] == [f"s{steps[n]}" for n in starts]
    assert not [text for _, text in spans if text[0] in "\N{ZERO WIDTH JOINER}\N{ARABIC FATHA}"]
    assert click(browser, "write") == plain


def test_marks_stay_with_the_character_that_came_in_the_piece_before(browser: Any, tmp_path: Path) -> None:
    opened(browser, page_of(random_model(), tmp_path))
    fill(browser, colours=True)
    spans = browser.execute_script("""
        $("text").replaceChildren();
        for (const [text, ...bits] of [["ae", 1, 5], ["\\u0301\\u200d", 9, 9], ["bc", 0, 3], ["d", 3]]) {
            show({ text, bits });
        }
        return Array.from(document.querySelectorAll("#text span"), (s) => [s.className, s.textContent]);
    """)
    assert spans == [["s1", "a"], ["s3", "e\N{COMBINING ACUTE ACCENT}\N{ZERO WIDTH JOINER}b"], ["s2", "c"], ["s2", "d"]]


# What it is


@pytest.fixture(scope="module")
def mischievous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a model whose vocabulary, labels, name and corpus are all mischief."""
    lines = MISCHIEF.replace("\n", " ")
    labels = LabelSet((lines, "b"), (9, 1))
    model = random_model(
        characters=sorted({*MISCHIEF, *"\tb"}), layout="pairs", line_set=LineSet(40, None), labels=labels
    )
    checkpoint = Checkpoint(model, corpus=CorpusInfo(MISCHIEF, 999, "0" * 64, 900, 99))
    return page_of(model, tmp_path_factory.mktemp("mischief"), checkpoint, title=MISCHIEF)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_has_no_errors_and_makes_no_requests(width: int, scheme: str, browser: Any, mischievous: Path) -> None:
    opened(browser, mischievous, width, scheme)
    fill(browser, colours=True)
    check_appearance(browser, mischievous, scheme, f"export-{width}-{scheme}.png")


def test_mischief_is_shown_as_text(browser: Any, mischievous: Path) -> None:
    opened(browser, mischievous)
    seen = browser.execute_script("""
        return {
          title: document.title, heading: document.querySelector("h1").textContent,
          footer: document.querySelector("footer").textContent,
          label: document.getElementById("label").options[0].text,
          images: document.images.length, scripts: document.scripts.length,
        };
    """)
    one_line = MISCHIEF.replace("\n", " ")
    assert seen["heading"] == MISCHIEF.replace("\n", "\\n")
    assert f"900 characters of {seen['heading']}, and" in seen["footer"]
    assert seen["label"].split() == one_line.split()
    assert (seen["images"], seen["scripts"]) == (0, 4)
    assert len(text_of(browser)) > 10
    source = mischievous.read_text(encoding="utf-8")
    assert source.count("</script") == 4
    assert "<img" not in source


def test_a_request_is_refused_even_if_the_page_is_made_to_ask(browser: Any, mischievous: Path) -> None:
    opened(browser, mischievous)
    refused = browser.execute_script("""
        const worker = new Worker(URL.createObjectURL(new Blob([
          "fetch('https://example.org/').then(() => postMessage('sent'), () => postMessage('refused'))",
        ])));
        const image = new Image();
        image.src = "https://example.org/a.png";
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<div style='color: red' onclick='window.ran = true'></div>");
        document.body.lastElementChild.click();
        const asked = fetch("https://example.org/").then(() => "sent", () => "refused");
        const inWorker = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
        return Promise.all([asked, inWorker]).then((found) => [...found, window.ran ?? "not run"]);
    """)
    assert refused == ["refused", "refused", "not run"]
    assert requests_of(browser) <= {mischievous.as_uri()}


def test_the_keyboard_reaches_every_control_and_each_has_a_name(browser: Any, mischievous: Path) -> None:
    from selenium.webdriver import Keys

    opened(browser, mischievous)
    browser.execute_script("document.querySelector('details').open = true")
    reached = set()
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        if element.tag_name == "body":
            break
        reached.add(element.get_attribute("id") or element.accessible_name)
        assert element.accessible_name
    fields = {"label", "prime", "write", "text", "more", "copy", "save", "colours", "temp", "speed", "seed", "stop"}
    assert fields | {"top-k", "top-p", "min-p"} <= reached
    assert sum("%" in name for name in reached) == 5


def test_a_text_can_be_copied_and_saved(browser: Any, tmp_path: Path) -> None:
    opened(browser, page_of(random_model(), tmp_path, title="Tales"))
    text = text_of(browser)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.execute_script("document.getElementById('save').click()")
    wait_for(tmp_path / "Tales.txt")
    assert (tmp_path / "Tales.txt").read_text(encoding="utf-8") == text
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions})
    browser.find_element("id", "copy").click()
    wait_until(browser, "return document.getElementById('status').textContent === 'copied'")
    assert browser.execute_script("return navigator.clipboard.readText()") == text


def wait_for(path: Path) -> None:
    """Waits until a file is there."""
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_writing_stops_when_the_reader_says_so(browser: Any, tmp_path: Path) -> None:
    opened(browser, page_of(random_model(), tmp_path))
    fill(browser, speed=2, length=1000)  # 20 characters a second
    browser.execute_script("document.getElementById('write').click()")
    wait_until(browser, "return [...wholeText()].length > 4")
    assert browser.execute_script("return document.getElementById('write').textContent") == "Stop"
    browser.execute_script("document.getElementById('write').click()")
    idle(browser)
    text = text_of(browser)
    assert 4 < len(text) < 200
    fill(browser, speed=8, length=20)
    assert len(click(browser, "more")) == len(text) + 20


# What is in the file


def parts_of(page: str) -> dict[str, str]:
    """The title, the footer and the configuration of a page."""
    patterns = {"title": "<title>(.*?)</title>", "footer": "<footer>(.*?)</footer>", "config": 'id="config">(.*?)<'}
    return {name: re.findall(pattern, page, re.DOTALL)[0].strip() for name, pattern in patterns.items()}


def test_a_page_says_where_its_model_comes_from_as_far_as_it_may() -> None:
    tales = model_file.load(DOCS / "tales.safetensors")
    page = parts_of(render(tales, "tales", "2026-01-02", ExportOptions()))
    assert page["title"] == "tales"
    corpus = "245,081 characters of saltmarrow.txt"
    for words in ("lstm, 1 layer of 128 units", corpus, "1.331 nats (1.92 bits) per character.", "2026-01-02"):
        assert words in page["footer"]
    adapted = replace(tales, adapted=(AdaptedText("letters.txt", 99, 0.003, 0.003, 40),))
    assert "per character, before it was adapted" in render(adapted, "tales", "2026-01-02", ExportOptions())
    named = parts_of(render(tales, "tales", "2026-01-02", ExportOptions(title="A & B")))
    assert (named["title"], named["footer"]) == ("A &amp; B", page["footer"])
    shared = render(tales, "tales", "2026-01-02", ExportOptions(provenance=False))
    assert parts_of(shared)["title"] == "A recurrent network"
    assert not [word for word in ("saltmarrow", "tales", "1.331", "2026", "245,081") if word in shared]


def test_a_page_of_512_units_takes_less_than_1_6_megabytes() -> None:
    letters = "".join(map(chr, range(32, 97)))
    model = random_model(characters=letters, layers=1, hidden_size=512)
    assert len(render(Checkpoint(model), "m", "2026-01-02", ExportOptions()).encode()) < 1_600_000


def test_the_same_model_has_the_same_page_and_other_precisions_are_refused() -> None:
    checkpoint = Checkpoint(random_model())
    first, again = (render(checkpoint, "m", "2026-01-02", ExportOptions()) for _ in range(2))
    assert first == again
    assert json.loads(parts_of(first)["config"])["precision"] == "int8"
    with pytest.raises(ConfigError, match="precision can't be 'float32': choose one of int8, bfloat16"):
        render(checkpoint, "m", "2026-01-02", ExportOptions(precision="float32"))


@pytest.mark.parametrize("form", ["classifier", "tagger", "translator"])
def test_models_that_write_no_text_of_their_own_are_refused(form: str) -> None:
    with pytest.raises(ExportError, match=f"this model is a {form}: use `charrnn {pages.COMMANDS[form]}`$"):
        render(Checkpoint(random_reader(form)), "m", "2026-01-02", ExportOptions())
    rewriting = random_model(characters="\t\nab", layout="pairs", line_set=LineSet(9, None))
    with pytest.raises(ExportError, match="rewrites texts: use `charrnn translate`"):
        render(Checkpoint(rewriting), "m", "2026-01-02", ExportOptions())
