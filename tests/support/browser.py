"""A browser without a screen, in which the tests open the pages that charrnn writes; the fixture `browser` has one."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def chromium(profile: Path) -> Iterator[Any]:
    """Chromium, as Debian installs it, with its data in a folder; skips the test if it is not installed."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "disable-dev-shm-usage",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def open_page(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
    """Opens a page in a window of some width, for a reader who wants little motion and has a colour scheme."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in media.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())


def wait_until(browser: Any, script: str) -> None:
    """Waits until a script returns something true."""
    end = time.monotonic() + 20
    while not browser.execute_script(script):
        assert time.monotonic() < end, browser.get_log("browser")
        time.sleep(0.05)


def requests_of(browser: Any) -> set[str]:
    """The addresses that a page has asked for, apart from its own data and what its policy refused."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    failed = [e["params"] for e in events if e["method"] == "Network.loadingFailed"]
    refused = {each["requestId"] for each in failed if each.get("blockedReason") == "csp"}
    urls = {each["request"]["url"] for each in sent if each["requestId"] not in refused}
    return {url for url in urls if not url.startswith(("data:", "blob:"))} - {"about:blank"}


def check_appearance(browser: Any, path: Path, scheme: str, screenshot: str) -> None:
    """Checks that an open page made no errors and no requests, fits its window, and has the colours of its scheme.

    If the environment names a folder, SCREENSHOTS, a picture of the page goes there.
    """
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert requests_of(browser) <= {path.as_uri()}
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 380) == (scheme == "light")
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder, screenshot)))
