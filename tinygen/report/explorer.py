"""The latent explorer: a part of an HTML page in which a model draws, as one drags through its z.

    section(model, classes)    the part: weights, layers and explorer.js, which computes them

To look at it takes no Python and no network: the weights lie in the page, as float16. This
rounding has moved no pixel by one of the 255 steps of grey, of no model tried but ProGAN, whose
layers are many: of a trained one, one pixel in a thousand by 0.6 of a step or more, none by two.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import plots
from ..errors import UsageError
from ..models.conditional import Conditional
from ..models.model import ImageNetwork, Model
from .layers import take_apart

SCRIPT = Path(__file__).with_name("explorer.js")
STYLE = Path(__file__).with_name("explorer.css")
ACROSS = 2.0  # half the width of the square where z has more than two dimensions
GREY = "#777777"  # points without labels


def section(model: Model, classes: Sequence[str], *, points: Any = None, labels: Any = None) -> str:
    """One HTML element <section id="explorer">, which needs nothing beside itself.

    classes: the names of the data's classes. points (N, 2), the codes of images, say, are drawn
    behind the plane of a two-dimensional z; with labels (N,), each in the colour of its class.
    Raises UsageError for points or labels of other shapes, names that are not one for each class,
    images that are neither grey nor RGB, and layers that the page cannot compute.
    """
    network, names = model.image_network(), [str(name) for name in classes]
    if isinstance(model, Conditional) and len(names) != network.categories:
        raise UsageError(
            f"explorer: wanted names of {network.categories} classes, got {len(names)}"
        )
    apart = take_apart(network)
    if len(apart.shape) != 3 or apart.shape[2] not in (1, 3):
        raise UsageError(f"explorer: wanted images (H, W, 1 or 3), got {apart.shape}")
    places, groups = _points(points, labels, len(names), network.latent)
    colours = [GREY] if labels is None else _colours(names)
    data = {
        "layers": apart.layers,
        "shape": apart.shape,
        "range": model.RANGE,
        "latent": network.latent,
        "categories": network.categories,
        "extent": _extent(network, places),
        "points": np.round(places, 3).tolist(),
        "labels": groups.tolist(),
        "colours": colours,
        "weights": base64.b64encode(apart.weights.tobytes()).decode("ascii"),
    }
    legend = {} if labels is None else dict(zip(names, colours, strict=True))
    told = names if isinstance(model, Conditional) else map(str, range(network.categories))
    return _html(network, apart.shape, list(told), legend, data)


def _points(
    points: Any, labels: Any, classes: int, latent: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The points (N, 2) and the number of each one's colour (N,)."""
    if points is None:
        if labels is not None:
            raise UsageError("explorer: wanted labels of points, got no points")
        return np.zeros((0, 2)), np.zeros(0, int)
    points = np.asarray(points, float)
    if latent != 2 or points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        got = f"{points.shape} for a z of {latent} dimensions"
        raise UsageError(f"explorer: wanted finite points (N, 2) of a plane, got {got}")
    labels = np.zeros(len(points), int) if labels is None else np.asarray(labels)
    if labels.shape != points.shape[:1] or not np.isin(labels, np.arange(max(classes, 1))).all():
        raise UsageError(
            f"explorer: wanted {len(points)} labels from 0 to {classes - 1}, got {labels.shape}"
        )
    return points, labels


def _extent(network: ImageNetwork, places: np.ndarray[Any, Any]) -> float:
    """How far the plane reaches from 0: it shows the prior, and nearly all points."""
    if network.latent != 2:
        return ACROSS
    farthest = np.quantile(np.abs(places), 0.995) if len(places) else 0
    return max(network.extent, math.ceil(farthest))


def _colours(classes: Sequence[str]) -> list[str]:
    """Those of `plots.scatter`."""
    from matplotlib.colors import to_hex

    return [to_hex(plots.class_colour(i, classes)) for i in range(len(classes))]


def _html(
    network: ImageNetwork,
    shape: tuple[int, ...],
    categories: list[str],
    legend: dict[str, str],
    data: dict[str, Any],
) -> str:
    height, width, _ = shape
    if network.latent == 2:
        what, reach = "plane", f"the plane of z, from −{data['extent']:g} to {data['extent']:g}"
    else:
        what, reach = "square", "the square, two random directions a and b through z"
    options = "".join(f"<option>{escape(name)}</option>" for name in categories)
    word = "category" if network.numbers else "class"
    sliders = "".join(
        f'<label>number {i + 1} <input class="number" type="range" min="-1" max="1" step="any" '
        'value="0"></label>'
        for i in range(network.numbers)
    )
    items = "".join(
        f'<li><i style="background: {colour}"></i>{escape(name)}</li>'
        for name, colour in legend.items()
    )
    # "<" as in </script> would end the element that the data is in
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return f"""<section id="explorer">
<style>
{STYLE.read_text(encoding="utf-8")}</style>
<h2>Latent explorer</h2>
<p>Drag over {reach}, or move by the arrow keys: the model draws what is there.</p>
<noscript><p>It computes in this page, so it needs JavaScript, which is off here.</p></noscript>
<div class="panes">
<div>
<div class="pad">
<canvas class="plane" width="640" height="640" tabindex="0" role="application"
 aria-label="The {what} of z: arrow keys move through it"></canvas>
<span class="marker"></span>
</div>
{f'<ul class="legend">{items}</ul>' if items else ""}
</div>
<div class="side">
<canvas class="picture" width="{width}" height="{height}" role="img"
 aria-label="What the model draws there"></canvas>
<div class="controls">
{f'<label>{word} <select class="category">{options}</select></label>' if options else ""}
{sliders}
{'<button class="turn" type="button">new directions</button>' if network.latent != 2 else ""}
<div class="place"></div>
<div class="rate"></div>
</div>
</div>
</div>
<script type="application/json" class="data">{text}</script>
<script>
{SCRIPT.read_text(encoding="utf-8")}</script>
</section>
"""
