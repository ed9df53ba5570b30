"""The whole page in a browser: it can be read without scripts, on a phone, and played with."""

import numpy as np
import pytest

from tinygen import data, report, train
from tinygen.models import gan

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The page of a run of three epochs."""
    folder = tmp_path_factory.mktemp("runs")
    drawn = data.load("strokes", "test")
    np.savez(folder / "small.npz", images=drawn.images, labels=drawn.labels)
    p = train.parser("", gan, out=str(folder / "run"), epochs=3, batch=100)
    source = ["--data", str(folder / "small.npz"), "--out", str(folder / "run"), "--arch=mlp"]
    train.prepare(p, source).fit()
    return report.evaluate(folder / "run", n=100).save().read_text(encoding="utf-8")


def test_the_slider_goes_through_the_epochs(text, open_page):
    page = open_page(text)
    shown = "() => [...document.querySelectorAll('.strip figure')].map(f => f.checkVisibility())"
    assert page.evaluate(shown) == [False, False, True]
    slider = page.locator(".strip input")
    slider.focus()
    slider.press("Home")
    assert page.evaluate(shown) == [True, False, False]
    assert page.locator(".strip figure.now figcaption").inner_text() == "after epoch 1"
    assert slider.get_attribute("aria-valuetext") == "after epoch 1"


def test_without_scripts_all_is_there_to_read(text, open_page):
    page = open_page(text, java_script_enabled=False)
    assert page.locator(".strip figure").count() == 3
    for i in range(3):
        assert page.locator(".strip figure").nth(i).is_visible()
    assert page.locator("#scores tbody tr").count() >= 12
    assert "it needs JavaScript, which is off here" in page.locator("noscript").inner_html()
    assert not page.locator("#explorer .plane").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_page(text, open_page, width):
    page = open_page(text, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_text_stands_out_from_its_ground(text, open_page):
    """At least 4.5 : 1, as WCAG 2.1 wants of text (success criterion 1.4.3)."""
    page = open_page(text)
    colours = page.evaluate("""() => [...document.querySelectorAll('p, th, td, small, figcaption,'
        + 'h1, h2, label, button')].filter(e => e.textContent.trim()).map(e => {
      let ground = e;
      while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)')
        ground = ground.parentElement;
      return [getComputedStyle(e).color, getComputedStyle(ground ?? document.body).backgroundColor];
    })""")
    assert len(colours) > 40
    for text_colour, ground in {tuple(pair) for pair in colours}:
        a, b = sorted((luminance(text_colour), luminance(ground)), reverse=True)
        assert (a + 0.05) / (b + 0.05) >= 4.5, (text_colour, ground)


def luminance(colour):
    """Relative luminance of "rgb(r, g, b)", as WCAG defines it."""
    c = np.array([float(n) for n in colour.strip("rgba()").split(",")[:3]]) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
