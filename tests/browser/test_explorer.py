"""The latent explorer in a browser: it draws what tinygen does, and does what the hand asks.

-s shows how far from tinygen it is and how fast.
"""

import re
import time
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import pytest
from drawn import ONE_NETWORK

import tinygen as tg
from tinygen import nn
from tinygen.models import MODELS, Model, Setup
from tinygen.models.model import ImageNetwork
from tinygen.report import explorer

pytestmark = pytest.mark.browser

SHAPE, CLASSES = (28, 28, 1), ["T-shirt/top", "Ankle boot", *"2345678", "<9 & more>"]


def archs():
    """Every arch of every model that one network draws, and what else makes another network."""
    for name in ONE_NETWORK:
        module = MODELS[name]
        choices = {f.name: f.metadata["values"].choices for f in fields(module.Config)}
        for arch in choices.get("arch", [None]):
            yield name, {"arch": arch} if arch else {}
    yield "cdcgan", {"variant": "embed-G-200"}
    yield "vae", {"latent": 1}
    yield "progan", {"growing": "no"}


def build(name, shape=SHAPE, **options):
    """A model, and its network stirred: weights of size 1, running statistics unlike any other."""
    module, rng = MODELS[name], np.random.default_rng(5)
    model = module.build(module.Config(**options), Setup(shape, len(CLASSES)), rng)
    net = model.image_network()
    model.image_network = lambda: net  # the stirred one, also where it is made anew each time
    layers = list(net.network.modules())
    scales = {id(m.layer): m.scale for m in layers if isinstance(m, nn.EqualisedRate)}
    for layer in layers:
        if isinstance(layer, nn.BatchNorm):
            n = len(layer.gamma)
            layer.running_mean.data[...], layer.beta.data[...] = rng.normal(0, 0.5, (2, n))
            layer.running_var.data[...], layer.gamma.data[...] = rng.uniform(0.5, 2, (2, n))
        elif hasattr(layer, "weight"):
            inputs = layer.weight.size / layer.weight.shape[-1]
            spread = inputs**-0.5 / scales.get(id(layer), 1.0)
            layer.weight.data[...] = rng.normal(0, spread, layer.weight.shape)
            if layer.bias is not None:
                layer.bias.data[...] = rng.normal(0, 0.3, layer.bias.shape)
    return model


def html(model, **points):
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    body = f'<body style="font-family: sans-serif">{explorer.section(model, CLASSES, **points)}'
    return f'<!doctype html><html lang="en"><title>explorer</title>{head}{body}</html>'


def drawn_by_tinygen(model, x):
    """The images in RANGE of inputs x (N, latent + categories + numbers)."""
    net = model.image_network()
    with tg.no_grad():
        return net.images(model.tensor(x)).numpy()


def round_weights(model):
    """To what the page holds: weights as they are at run time."""
    layers = list(model.image_network().network.modules())
    scales = {id(m.layer): m.scale for m in layers if isinstance(m, nn.EqualisedRate)}
    for layer in layers:
        for name, t in vars(layer).items():
            if isinstance(t, tg.Tensor):
                scale = scales.get(id(layer), 1.0) if name == "weight" else 1.0
                t.data[...] = (scale * t.data).astype(np.float16) / np.float32(scale)


def picture(page):
    """What is seen, (H, W, 3) of 0 to 255."""
    seen = page.evaluate("""() => {
        const canvas = document.querySelector("#explorer .picture");
        const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return [canvas.height, canvas.width, [...all.data]];
    }""")
    return np.array(seen[2]).reshape(seen[0], seen[1], 4)[..., :3]


def drag(page, *stops):
    """Over places of the plane, each (right, down) from 0 to 1."""
    box = page.locator("#explorer .plane").bounding_box()
    for i, (right, down) in enumerate(stops):
        page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def assert_seen(page, model, x):
    """The picture is the one that tinygen draws of x, to two of 255 steps."""
    low, high = model.RANGE
    image = (drawn_by_tinygen(model, np.array([x]))[0] - low) / (high - low)
    assert np.abs(picture(page) - 255 * image).max() < 2


@pytest.mark.parametrize("shape", [SHAPE, (12, 8, 3)], ids=["grey", "rgb"])
@pytest.mark.parametrize("name, options", list(archs()), ids=str)
def test_it_draws_what_tinygen_draws(open_page, name, options, shape):
    if options.get("arch") == "deep":  # takes squares of 2ⁿ only
        shape = (16, 16, shape[-1])
    model = build(name, shape, **options)
    page, net = open_page(html(model)), model.image_network()
    rng = np.random.default_rng(6)
    z = rng.normal(size=(8, net.latent))
    y = np.eye(net.categories)[rng.integers(net.categories, size=8)] if net.categories else z[:, :0]
    x = np.concatenate([z, y, rng.uniform(-1, 1, (8, net.numbers))], axis=1).astype(np.float32)
    drawn = page.evaluate("xs => xs.map((x) => [...tinygenExplorer.draw(x)])", x.tolist())
    drawn = np.array(drawn).reshape(8, *shape)
    exact = drawn_by_tinygen(model, x)
    round_weights(model)
    rounded = drawn_by_tinygen(model, x)
    rate = page.evaluate(
        """(x) => {
            for (let k = 0; k < 30; k++) tinygenExplorer.draw(x);
            const begin = performance.now();
            for (let k = 0; k < 100; k++) tinygenExplorer.draw(x);
            return 1e5 / (performance.now() - begin);
        }""",
        x[0].tolist(),
    )
    far, near = np.abs(drawn - exact).max(), np.abs(drawn - rounded).max()
    print(f"\n{name} {options}: {far:.1e}, weights rounded: {near:.1e}; {rate:.0f} images a second")
    assert rounded.std() > 0.05, "images too flat to compare"
    assert near < 1e-5
    steps = 2 if name == "progan" else 1  # of grey: it has many layers
    assert far < steps * np.ptp(model.RANGE) / 255, "the weights' rounding is seen"
    assert rate >= (5 if name == "progan" else 30)  # its convolutions take far more products


@dataclass
class Drawing(Model):
    """A network that draws, and nothing else."""

    G: nn.Module

    def image_network(self):
        return ImageNetwork(self.G, 3)


def test_layers_of_settings_that_no_model_has(open_page):
    rng = np.random.default_rng(0)
    lay = {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}
    model = Drawing(
        nn.Sequential(
            *(nn.Linear(3, 12, rng=rng), partial(tg.leaky_relu, slope=0.2), nn.Reshape(2, 3, 2)),
            *(nn.ConvTranspose2d(2, 3, (3, 2), rng=rng, **lay), tg.leaky_relu),
        )
    )
    x = rng.normal(size=(5, 3)).astype(np.float32)
    page = open_page(html(model))
    drawn = page.evaluate("xs => xs.map((x) => [...tinygenExplorer.draw(x)])", x.tolist())
    round_weights(model)
    wanted = drawn_by_tinygen(model, x)
    assert wanted.shape == (5, 4, 10, 3)
    np.testing.assert_allclose(np.array(drawn).reshape(wanted.shape), wanted, atol=1e-5)


def test_the_plane_is_that_of_z(open_page):
    model = build("vae")
    page = open_page(html(model))
    assert_seen(page, model, [0, 0])
    drag(page, (0.3, 0.3), (0.75, 0.5))
    assert_seen(page, model, [1.5, 0])
    drag(page, (0.3, 0.3), (0.5, 0.25))
    assert_seen(page, model, [0, 1.5])
    assert page.inner_text("#explorer .place") == "z₁ = 0.00, z₂ = 1.50"


def test_outside_of_the_plane_is_its_edge(open_page):
    model = build("aae")
    page = open_page(html(model))
    drag(page, (0.5, 0.5), (1.4, 0.5))
    assert_seen(page, model, [3, 0])


def test_arrow_keys_move(open_page):
    model = build("vae")
    page = open_page(html(model))
    page.keyboard.press("Tab")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert_seen(page, model, [0.15, -0.15])


def test_a_finger_moves(open_page):
    model = build("vae")
    page = open_page(html(model), has_touch=True, width=360)
    box = page.locator("#explorer .plane").bounding_box()
    session = page.context.new_cdp_session(page)
    for kind, right in (("Start", 0.3), ("Move", 0.5), ("Move", 0.75), ("End", None)):
        place = {"x": box["x"] + (right or 0) * box["width"], "y": box["y"] + box["height"] / 2}
        touches = [] if right is None else [place]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
    assert_seen(page, model, [1.5, 0])


def test_the_class_is_the_one_asked_for(open_page):
    model = build("cvae")
    page = open_page(html(model))
    options = page.locator("#explorer .category option").all_inner_texts()
    assert options == CLASSES
    for k in (0, 9, 3):
        page.select_option("#explorer .category", label=CLASSES[k])
        assert_seen(page, model, [0, 0, *np.eye(10)[k]])


def test_all_that_a_gan_takes_changes_the_picture(open_page):
    page = open_page(html(build("infogan")))
    seen = [picture(page)]
    for act in (
        lambda: drag(page, (0.5, 0.5), (0.9, 0.5)),
        lambda: drag(page, (0.9, 0.5), (0.9, 0.1)),
        lambda: page.select_option("#explorer .category", index=7),
        lambda: page.locator("#explorer .number").first.fill("0.9"),
        lambda: page.locator("#explorer .number").last.fill("-0.9"),
        lambda: page.click("#explorer .turn"),
    ):
        act()
        seen.append(picture(page))
        assert np.abs(seen[-1] - seen[-2]).max() > 5


def test_every_place_is_a_draw_of_z(open_page):
    """Of N(0, I): at the corners, too, ‖z‖ is about √d."""
    model = build("iwae", latent=2000)
    page = open_page(html(model))
    page.evaluate("""() => {
        const from = Float32Array.from;
        Float32Array.from = (x) => { window.given = [...x]; return from.call(Float32Array, x); };
    }""")
    for corner in ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0)):
        drag(page, (0.5, 0.4), corner)
        z = np.array(page.evaluate("given"))
        assert z.shape == (2000,)
        assert abs(z.mean()) < 0.15 and abs(z.std() - 1) < 0.1


def test_the_frames_are_counted_while_dragging(open_page):
    """Where a picture takes 50 ms there are fewer than 20 a second."""
    page = open_page(html(build("vae")))
    assert page.inner_text("#explorer .rate") == ""
    page.evaluate("""() => {
        const put = CanvasRenderingContext2D.prototype.putImageData;
        window.drawn = 0;
        CanvasRenderingContext2D.prototype.putImageData = function (...all) {
            window.drawn++;
            for (const begin = performance.now(); performance.now() < begin + 50; );
            return put.apply(this, all);
        };
        window.frames = [];
        const count = (now) => { frames.push(now); requestAnimationFrame(count); };
        requestAnimationFrame(count);
    }""")
    drag(page, (0.2, 0.2), (0.2, 0.3))
    box = page.locator("#explorer .plane").bounding_box()
    page.mouse.down()
    begin = time.perf_counter()
    while (part := (time.perf_counter() - begin) / 1.5) < 1:
        page.mouse.move(box["x"] + 20 + 200 * part, box["y"] + 50)
    text, counted = page.evaluate("""() => [
        document.querySelector("#explorer .rate").textContent,
        frames.filter((time) => time > frames.at(-1) - 1000).length,
    ]""")
    page.mouse.up()
    shown = int(re.fullmatch(r"(\d+) frames a second", text)[1])
    assert shown <= 20 and abs(shown - counted) <= 2
    drawn = page.evaluate("drawn")
    page.wait_for_timeout(300)
    assert page.evaluate("drawn") == drawn, "it draws though nobody drags"


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["vae", "infogan", "acgan"])
def test_nothing_overflows(open_page, name, width):
    rng = np.random.default_rng(0)
    behind = {"points": rng.normal(size=(300, 2)), "labels": rng.integers(10, size=300)}
    page = open_page(html(build(name), **behind if name == "vae" else {}), width=width)
    wide = page.evaluate("""() => [...document.querySelectorAll("#explorer *")]
        .filter((e) => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > innerWidth)
        .map((e) => e.outerHTML.slice(0, 80))""")
    assert not wide
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_points_lie_behind_the_plane(open_page):
    page = open_page(html(build("vae"), points=[[1.5, 1.5]], labels=[1]))
    at = """([x, y]) => [...document.querySelector("#explorer .plane").getContext("2d")
        .getImageData(640 * x, 640 * y, 1, 1).data].slice(0, 3)"""
    point, nothing = (page.evaluate(at, place) for place in ([0.75, 0.25], [0.75, 0.8]))
    assert point != nothing
    assert max(point[0], point[1]) == point[0] > point[2], "the second colour is orange"
    assert page.inner_text("#explorer .legend").split("\n")[0].strip() == CLASSES[0]


def test_without_scripts_it_says_so(open_page):
    page = open_page(html(build("vae")), java_script_enabled=False)
    assert "needs JavaScript" in page.inner_text("#explorer")


def test_images_lie_on_a_plane_without_points(open_page):
    """Nine by nine, each that of its own place and of the class that is chosen."""
    model = build("cvae")
    page = open_page(html(model))
    page.select_option("#explorer .category", index=3)
    size = page.evaluate('document.querySelector("#explorer .plane").width')
    data = page.evaluate("""() => [...document.querySelector("#explorer .plane")
        .getContext("2d").getImageData(0, 0, 640, 640).data]""")
    seen = np.array(data, float).reshape(size, size, 4)[:, :, 0]
    side = size / 9
    for column, row in ((0, 0), (8, 0), (2, 7)):
        place = [3 * ((2 * column + 1) / 9 - 1), 3 * (1 - (2 * row + 1) / 9)]
        x = np.array([[*place, *np.eye(10)[3]]])
        wanted = 255 * drawn_by_tinygen(model, x)[0].reshape(28, 28)
        top, left = round(row * side), round(column * side)
        tile = seen[top : top + round(side), left : left + round(side)]
        assert abs(tile.mean() - wanted.mean()) < 2
        assert abs(tile[: len(tile) // 2].mean() - wanted[:14].mean()) < 3
