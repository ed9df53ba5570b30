"""A page in headless Chromium: that of $TINYGEN_CHROMIUM, or the one that is installed."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("component-update", "sync", "background-networking")  # nothing of its own on the network
ARGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{x}" for x in QUIET)]


def chromium():
    """Its path. Without one nothing here can run, so the whole run ends, with what to install."""
    found = os.environ.get("TINYGEN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not shutil.which(found):
        got = f"no program {found}" if found else "none"
        pytest.exit(
            f"browser tests: wanted Chromium, got {got}. Install it (apt-get install chromium), or "
            "set TINYGEN_CHROMIUM to the path of Chromium or Chrome",
            returncode=1,
        )
    return found


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """open_page(html, width=…) -> the page, opened as a file. After the test: it has written no
    errors, and asked for nothing but itself."""
    pages, errors, requests = [], [], []

    def opened(html, width=1280, **options):
        path = tmp_path / f"page{len(pages)}.html"
        path.write_text(html, encoding="utf-8")
        viewport = {"width": width, "height": 800}
        page = browser.new_page(viewport=viewport, **options)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: line.type == "error" and errors.append(line.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for page in pages:
        page.close()
    assert not errors
    assert len(requests) == len(pages), requests
