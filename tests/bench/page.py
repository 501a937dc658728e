"""The page that `charrnn export` writes, in Chromium: its size, its first character and its characters per second.

    python tests/bench/page.py
    python tests/bench/page.py --shapes 2x128 --precisions int8 --rounds 5

The models are LSTMs with random weights and the vocabulary of a text, since speed does not depend on what they learned;
trained weights take a few per cent fewer bytes. A page is opened anew for each round, as from a disk: the time to its
first character begins when the browser begins to load it. Then it writes a long text as fast as it goes, shown as it
grows, in the colours of surprisal too. Prints one Markdown table with the median of the rounds, and the fastest.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from charrnn.checkpoint.model_file import Checkpoint
from charrnn.export.options import ExportOptions
from charrnn.export.page.page import render
from charrnn.export.page.weights import PRECISIONS
from support.browser import chromium, open_page, wait_until
from support.random_models import random_model

CHARACTERS = "\n" + "".join(map(chr, range(32, 96)))
"""As many different ones as tinyshakespeare has, 65."""
WROTE = r"return /([\d,]+) characters a second/.exec(document.getElementById('status').textContent)?.[1]"


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="The page that charrnn export writes, in Chromium.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--shapes", default="2x128,1x256,1x512", help="layers x units, separated by commas")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="about how long each text takes")
    return parser.parse_args()


def write(browser: Any, length: int, colours: bool = False) -> float:
    """Has the open page write a text; returns its characters per second."""
    script = """
        document.getElementById("length").value = arguments[0];
        if (document.getElementById("colours").checked !== arguments[1]) document.getElementById("colours").click();
        document.getElementById("status").textContent = "";
        document.getElementById("write").click();
    """
    browser.execute_script(script, length, colours)
    wait_until(browser, WROTE)
    return float(browser.execute_script(WROTE).replace(",", ""))


def measure(browser: Any, path: Path, seconds: float) -> tuple[float, float, float]:
    """The milliseconds to the first character, and characters per second, plain and in colours."""
    open_page(browser, path)
    wait_until(browser, WROTE)
    first = browser.execute_script("return performance.getEntriesByName('first character')[0].startTime")
    length = round(seconds * write(browser, 10_000))
    return first, write(browser, length), write(browser, length, colours=True)


def main() -> None:
    options = arguments()
    print("| network | precision | bytes | first character, ms | characters per second | with colours |")
    print("|---|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        browsers = chromium(Path(folder, "profile"))
        browser, path = next(browsers), Path(folder, "page.html")
        for shape in options.shapes.split(","):
            layers, units = map(int, shape.split("x"))
            model = random_model(characters=CHARACTERS, layers=layers, hidden_size=units, scale=0.3)
            for precision in options.precisions.split(","):
                page = render(Checkpoint(model), "page", "2026-01-01", ExportOptions(precision=precision))
                path.write_text(page, encoding="utf-8")
                rounds = [measure(browser, path, options.seconds) for _ in range(options.rounds)]
                medians = [statistics.median(values) for values in zip(*rounds, strict=True)]
                best = max(plain for _, plain, _ in rounds)
                print(
                    f"| {shape.replace('x', '×')} | {precision} | {len(page.encode()):,} | {medians[0]:.0f} | "
                    f"{medians[1]:,.0f} (at best {best:,.0f}) | {medians[2]:,.0f} |",
                    flush=True,
                )
        for _ in browsers:  # which ends it
            pass


if __name__ == "__main__":
    main()
