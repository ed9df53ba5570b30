"""The explorer's HTML, and what it refuses; tests/browser looks at what it does."""

import base64
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from drawn import ONE_NETWORK, SEVERAL_PASSES

import tinygen as tg
from tinygen import nn
from tinygen.errors import UsageError
from tinygen.models import MODELS, Setup
from tinygen.models.model import ImageNetwork
from tinygen.report import explorer
from tinygen.report.layers import take_apart

SHAPE, CLASSES = (8, 12, 1), list("abcd")
DRAW = np.random.default_rng(0)


def build(name, shape=SHAPE, **options):
    module = MODELS[name]
    setup = Setup(shape, len(CLASSES))
    return module.build(module.Config(**options), setup, np.random.default_rng(0))


def data(html):
    """What is in the page for explorer.js."""
    text = re.search(r'<script type="application/json" class="data">(.*?)</script>', html)[1]
    return json.loads(text)


def sizes(layer):
    """How many numbers explorer.js takes for each array of a layer."""
    match layer["kind"]:
        case "linear":
            return [layer["inputs"] * layer["outputs"], layer["outputs"]]
        case "conv_transpose":
            (kh, kw), outputs = layer["kernel"], layer["output"][2]
            return [kh * kw * outputs * layer["input"][2], outputs]
        case "batch_norm":
            return [layer["features"]] * 4
    return []


def test_the_page_holds_the_weights_in_their_order():
    model = build("gan", arch="dcgan")
    page = data(explorer.section(model, CLASSES))
    hidden = ["batch_norm", "leaky_relu"]
    kinds = ["linear", *hidden, "linear", *hidden, "conv_transpose", *hidden, "conv_transpose"]
    assert [layer["kind"] for layer in page["layers"]] == [*kinds, "tanh"]
    numbers = np.frombuffer(base64.b64decode(page["weights"]), "<f2")
    parts = np.split(numbers, np.cumsum([n for layer in page["layers"] for n in sizes(layer)]))
    assert parts.pop().size == 0
    G = model.G.state_dict()
    first = ["0.weight", None, "1.running_mean", "1.running_var", "1.gamma", "1.beta"]
    for part, name in zip(parts, [*first, "3.weight", None], strict=False):
        wanted = 0 if name is None else G[f"layers.{name}"].ravel().astype(np.float16)
        np.testing.assert_array_equal(part, wanted)
    np.testing.assert_array_equal(parts[-1], G["layers.10.bias"].astype(np.float16))
    np.testing.assert_array_equal(parts[-2], G["layers.10.weight"].ravel().astype(np.float16))


@pytest.mark.parametrize("name", SEVERAL_PASSES)
def test_a_model_of_several_passes_has_none(name):
    with pytest.raises(UsageError, match=r"no .* draws the images, but one a"):
        explorer.section(build(name), CLASSES)


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_every_model_has_its_page(name):
    page = data(explorer.section(build(name), CLASSES))
    assert page["shape"] == list(SHAPE) and page["range"] == list(build(name).RANGE)
    numbers = len(base64.b64decode(page["weights"])) // 2
    assert numbers == sum(n for layer in page["layers"] for n in sizes(layer))
    net = build(name).image_network()
    own = [layer["kind"] for layer in take_apart(replace(net, logits=False)).layers]
    assert [layer["kind"] for layer in page["layers"]] == own + ["sigmoid"] * net.logits


def test_slopes_are_the_layers_own():
    leaky = [tg.relu, tg.leaky_relu, partial(tg.leaky_relu, slope=0.2)]
    network = nn.Sequential(nn.Linear(2, 3, rng=DRAW), *leaky)
    apart = take_apart(ImageNetwork(network, 2))
    assert [layer.get("slope") for layer in apart.layers] == [None, 0, 0.01, 0.2]


def conv(**lay):
    return nn.ConvTranspose2d(2, 2, 3, rng=DRAW, **lay)


@pytest.mark.parametrize(
    "layer, named",
    [
        (nn.LayerNorm(2), "LayerNorm"),
        (nn.Conv2d(2, 2, 3, stride=2, rng=DRAW), "Conv2d"),
        (nn.Conv2d(2, 2, 3, padding=3, rng=DRAW), "Conv2d"),
        (conv(groups=2), "ConvTranspose2d.*groups=2"),
        (conv(dilation=(1, 2)), "ConvTranspose2d.*dilation="),
        (tg.softplus, "softplus"),
        (partial(tg.leaky_relu, 0.2), "partial"),
        (nn.SpectralNorm(nn.Linear(2, 2, rng=DRAW), rng=DRAW), "SpectralNorm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_layer_that_the_page_cannot_compute_is_named(layer, named):
    network = nn.Sequential(nn.Linear(2, 32, rng=DRAW), nn.Reshape(4, 4, 2), layer)
    with pytest.raises(UsageError, match=f"^explorer: the page cannot compute .*{named}") as e:
        take_apart(ImageNetwork(network, 2))
    assert "\n" not in str(e.value)


def test_weights_beyond_float16_are_refused():
    network = nn.Sequential(nn.Linear(2, 3, rng=DRAW))
    network[0].bias.data[1] = 7e4
    with pytest.raises(UsageError, match=r"wanted weights within ±65504.*got 70000"):
        take_apart(ImageNetwork(network, 2))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"points": np.zeros((5, 3))}, r"finite points \(N, 2\) of a plane, got \(5, 3\)"),
        ({"points": np.full((5, 2), np.nan)}, "wanted finite points"),
        ({"points": np.zeros((5, 2)), "labels": [0, 1]}, r"wanted 5 labels .* got \(2,\)"),
        ({"points": np.zeros((2, 2)), "labels": [0, 4]}, "wanted 2 labels from 0 to 3"),
        ({"labels": [0, 1]}, "wanted labels of points, got no points"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_points_are_named(wrong, message):
    with pytest.raises(UsageError, match=message):
        explorer.section(build("vae"), CLASSES, **wrong)


def test_points_want_a_plane():
    with pytest.raises(UsageError, match=r"got .* for a z of 100 dimensions"):
        explorer.section(build("gan"), CLASSES, points=np.zeros((5, 2)))


def test_wrong_classes_and_images_are_named():
    with pytest.raises(UsageError, match="wanted names of 4 classes, got 3"):
        explorer.section(build("cvae"), CLASSES[:3])
    with pytest.raises(UsageError, match=r"wanted images \(H, W, 1 or 3\), got \(8, 8, 2\)"):
        explorer.section(build("vae", (8, 8, 2)), CLASSES)


def test_the_plane_shows_nearly_all_points():
    extent = lambda **points: data(explorer.section(build("vae"), CLASSES, **points))["extent"]
    assert extent() == extent(points=np.zeros((0, 2))) == extent(points=[[1, -2]]) == 3
    far = np.concatenate([np.full((999, 2), -4.5), [[900.0, 0.0]]])
    assert extent(points=far) == 5


def test_names_cannot_break_the_page():
    names = ["</script><b>", "&amp", "c", "d"]
    html = explorer.section(build("cvae"), names, points=[[0, 0]], labels=[0])
    assert "<b>" not in html and "<option>&amp;amp</option>" in html
    assert html.count("</script>") == 2


def test_a_level_that_is_fading_in_is_refused():
    model = build("progan", fade=4, rest=1)
    model.opts_G[0].t = 2
    with pytest.raises(UsageError, match="the page cannot compute a level that is fading in"):
        take_apart(model.image_network())
