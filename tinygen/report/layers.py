"""A network taken apart for explorer.js: what each layer is, and all weights in a row, as float16.

The layers that the page can compute, in the order of their weights:

    linear          weight (i, o), bias (o,)
    conv_transpose  weight (kh, kw, o, i), bias (o,); also what a convolution of stride 1 becomes
    batch_norm      running mean, running variance, γ, β, each (features,)
    pixel_norm, upsample2, cut, clip, leaky_relu (ReLU: of slope 0), tanh, sigmoid

Samples lie flat in the page: of a reshape nothing is left but the shapes of the layers behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core import Tensor
from ..errors import UsageError
from ..models.cdcgan import Told
from ..models.model import ImageNetwork
from ..models.progan import Cut
from ..models.progan_networks import Generator
from ..nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    EqualisedRate,
    Linear,
    Reshape,
    Sequential,
    pixel_norm,
)
from ..ops import clip, leaky_relu, relu, sigmoid, tanh, upsample2
from ..ops.conv import conv_transpose_shape
from ..windows import pair

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]  # of a sample
Layer = Callable[..., Tensor]  # a Module or a plain function, as in a Sequential


class Step(NamedTuple):
    """What the page knows of a layer (None: nothing), its arrays, the shape that comes out."""

    spec: dict[str, Any] | None
    arrays: list[Array]
    shape: Shape


class Apart(NamedTuple):
    """The layers of a network, its weights (float16, flat), and the shape of its images."""

    layers: list[dict[str, Any]]
    weights: Array
    shape: Shape


def take_apart(images: ImageNetwork) -> Apart:
    """The network's layers, and behind them the sigmoid of logits.

    Raises UsageError for a layer that the page cannot compute, or weights beyond float16's range.
    """
    shape: Shape = (images.latent + images.categories + images.numbers,)
    steps = list(_steps(images.network, shape))
    if images.logits:
        steps.append(_step(sigmoid, steps[-1].shape))
    exact = np.concatenate([a.ravel() for step in steps for a in step.arrays])
    with np.errstate(over="ignore"):
        weights = exact.astype("<f2")
    if not np.isfinite(weights).all():
        wrong = exact[~np.isfinite(weights)][0]
        raise UsageError(f"explorer: wanted weights within ±65504, as float16 has, got {wrong:g}")
    return Apart([step.spec for step in steps if step.spec], weights, steps[-1].shape)


def _steps(layer: Layer, shape: Shape) -> Iterator[Step]:
    """The steps of a layer, or of all layers in it, for samples of this shape."""
    if type(layer) is Sequential:
        for part in layer:
            for step in _steps(part, shape):
                shape = step.shape
                yield step
    elif type(layer) is Told and type(layer.embed) is Linear:
        first = _beside(layer.embed, shape[0] - layer.classes)
        yield first
        yield from _steps(layer.G, first.shape)
    elif type(layer) is Generator:
        level, alpha = layer.stage
        if alpha != 1:
            raise UsageError("explorer: the page cannot compute a level that is fading in")
        yield from _steps(Sequential(*layer.blocks[: level + 1], layer.rgb[level]), shape)
    else:
        yield _step(layer, shape)


def _step(layer: Layer, shape: Shape) -> Step:
    if type(layer) is Reshape:
        return Step(None, [], np.empty(shape).reshape(layer.shape).shape)
    if type(layer) is EqualisedRate:
        scaled = copy(layer.layer)
        scaled.weight = layer.layer.weight * layer.scale
        return _step(scaled, shape)
    if type(layer) is Linear:
        weight = layer.weight.numpy()
        if len(shape) == 3:  # of images: a convolution 1×1
            return _images(weight.T[None, None], _bias(layer), shape)
        return _linear(weight, _bias(layer))
    if type(layer) is ConvTranspose2d and (layer.groups, pair(layer.dilation)) == (1, (1, 1)):
        lay = pair(layer.stride), pair(layer.padding), pair(layer.output_padding)
        return _images(layer.weight.numpy(), _bias(layer), shape, *lay)
    if type(layer) is Conv2d and (layer.groups, pair(layer.dilation)) == (1, (1, 1)):
        w, (p, q) = layer.weight.numpy(), pair(layer.padding)
        room = w.shape[0] - 1 - p, w.shape[1] - 1 - q
        if pair(layer.stride) == (1, 1) and min(room) >= 0:  # each pixel adds the kernel, turned
            return _images(w[::-1, ::-1].swapaxes(2, 3), _bias(layer), shape, (1, 1), room)
    if type(layer) is Cut:
        size = (layer.frame.height, layer.frame.width, shape[2])
        spec = {"kind": "cut", "input": shape, "output": size, "corner": layer.frame.corner}
        return Step(spec, [], size)
    if layer is upsample2:
        h, w, c = shape
        return Step({"kind": "upsample2", "input": shape}, [], (2 * h, 2 * w, c))
    if layer is pixel_norm:
        return Step({"kind": "pixel_norm", "features": shape[-1], "eps": 1e-8}, [], shape)
    if isinstance(layer, partial) and layer.func is clip and {*layer.keywords} == {"low", "high"}:
        return Step({"kind": "clip", **layer.keywords}, [], shape)
    if type(layer) is BatchNorm:
        arrays = [layer.running_mean, layer.running_var, layer.gamma, layer.beta]
        spec = {"kind": "batch_norm", "features": shape[-1], "eps": layer.eps}
        return Step(spec, [a.numpy() for a in arrays], shape)
    f, slope = layer, leaky_relu.defaults["slope"]
    if isinstance(layer, partial) and layer.func is leaky_relu and not layer.args:
        f, slope = layer.func, layer.keywords.get("slope", slope)
    if f in (relu, leaky_relu):
        return Step({"kind": "leaky_relu", "slope": 0 if f is relu else slope}, [], shape)
    if f in (tanh, sigmoid):
        return Step({"kind": "tanh" if f is tanh else "sigmoid"}, [], shape)
    shown = " ".join(str(getattr(layer, "__name__", layer)).split())  # a Module's has lines
    raise UsageError(f"explorer: the page cannot compute {shown}")


def _linear(weight: Array, bias: Array) -> Step:
    i, o = weight.shape
    return Step({"kind": "linear", "inputs": i, "outputs": o}, [weight, bias], (o,))


def _beside(embed: Linear, latent: int) -> Step:
    """[z, y] -> [z, embed(y)] as one linear layer: z goes through as it is."""
    classes, d = embed.weight.shape
    weight, bias = np.zeros((latent + classes, latent + d)), np.zeros(latent + d)
    weight[:latent, :latent] = np.eye(latent)
    weight[latent:, latent:], bias[latent:] = embed.weight.numpy(), _bias(embed)
    return _linear(weight, bias)


def _images(
    weight: Array,
    bias: Array,
    shape: Shape,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    output_padding: tuple[int, int] = (0, 0),
) -> Step:
    """A transposed convolution of weight (kh, kw, o, i)."""
    _, *out = conv_transpose_shape((1, *shape), weight.shape, stride, padding, output_padding)
    spec = {
        "kind": "conv_transpose",
        "input": shape,
        "output": out,
        "kernel": weight.shape[:2],
        "stride": stride,
        "padding": padding,
    }
    return Step(spec, [weight, bias], tuple(out))


def _bias(layer: Linear | Conv2d | ConvTranspose2d) -> Array:
    """Zeros, if it has none."""
    outputs = layer.weight.shape[2 if isinstance(layer, ConvTranspose2d) else -1]
    return np.zeros(outputs) if layer.bias is None else layer.bias.numpy()
