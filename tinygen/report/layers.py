"""A network taken apart for explorer.js: what each layer is, and all weights in a row, as float16.

The layers that the page can compute, in the order of their weights:

    linear          weight (i, o), bias (o,)
    conv_transpose  weight (kh, kw, o, i), bias (o,)
    batch_norm      running mean, running variance, γ, β, each (features,)
    leaky_relu (ReLU: of slope 0), tanh, sigmoid

Samples lie flat in the page: of a reshape nothing is left but the shapes of the layers behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core import Tensor
from ..errors import UsageError
from ..models.cdcgan import Told
from ..models.model import ImageNetwork
from ..nn import BatchNorm, ConvTranspose2d, Linear, Reshape, Sequential
from ..ops import leaky_relu, relu, sigmoid, tanh
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
    else:
        yield _step(layer, shape)


def _step(layer: Layer, shape: Shape) -> Step:
    if type(layer) is Reshape:
        return Step(None, [], np.empty(shape).reshape(layer.shape).shape)
    if type(layer) is Linear:
        return _linear(layer.weight.numpy(), _bias(layer))
    if type(layer) is ConvTranspose2d and (layer.groups, pair(layer.dilation)) == (1, (1, 1)):
        return _conv_transpose(layer, shape)
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


def _conv_transpose(layer: ConvTranspose2d, shape: Shape) -> Step:
    lay = pair(layer.stride), pair(layer.padding), pair(layer.output_padding)
    _, *out = conv_transpose_shape((1, *shape), layer.weight.shape, *lay)
    spec = {
        "kind": "conv_transpose",
        "input": shape,
        "output": out,
        "kernel": layer.weight.shape[:2],
        "stride": lay[0],
        "padding": lay[1],
    }
    return Step(spec, [layer.weight.numpy(), _bias(layer)], tuple(out))


def _bias(layer: Linear | ConvTranspose2d) -> Array:
    """Zeros, if it has none."""
    outputs = layer.weight.shape[1 if isinstance(layer, Linear) else 2]
    return np.zeros(outputs) if layer.bias is None else layer.bias.numpy()
