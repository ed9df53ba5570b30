"""Convolution with dilation and in groups, made of plain ones; all three of its family.

dilation d: the kernel's places lie d pixels apart, which is a plain convolution whose weights have
d - 1 zeros between them. groups g: the channels of images and of outputs are cut into g equal
parts, and each part of the outputs sees its part of the images; weights are (kh, kw, C / g, O).
"""

from __future__ import annotations

from ..core import Tensor
from ..windows import Pair, pair
from . import conv
from .shape import concatenate, index_add, split, together

Shape = tuple[int, ...]


def conv2d(
    x: Tensor,
    w: Tensor,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """x (N, H, W, C), w (kh, kw, C / groups, O) -> (N, H', W', O). No kernel flip, as in all
    frameworks. H' = ⌊(H + 2·padding - dilation·(kh - 1) - 1) / stride⌋ + 1."""
    if dilation == groups == 1:
        return conv.conv2d(x, w, stride=stride, padding=padding)
    x, w = together((x, w))
    _check("conv2d", x.shape, w.shape, dilation, groups)
    pairs = zip(split(x, groups, axis=3), split(_spread(w, dilation), groups, axis=3), strict=True)
    return concatenate([conv.conv2d(*two, stride=stride, padding=padding) for two in pairs], axis=3)


def conv2d_input(
    g: Tensor,
    w: Tensor,
    *,
    shape: Shape,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """g (N, H', W', O), w (kh, kw, C / groups, O) -> the gradient of conv2d's x, of the given
    shape (N, H, W, C): "transposed convolution", as generators use it."""
    if dilation == groups == 1:
        return conv.conv2d_input(g, w, shape=shape, stride=stride, padding=padding)
    g, w = together((g, w))
    _check("conv2d_input", shape, w.shape, dilation, groups)
    lay = {"shape": (*shape[:3], shape[3] // groups), "stride": stride, "padding": padding}
    pairs = zip(split(g, groups, axis=3), split(_spread(w, dilation), groups, axis=3), strict=True)
    return concatenate([conv.conv2d_input(*two, **lay) for two in pairs], axis=3)


def conv2d_weight(
    x: Tensor,
    g: Tensor,
    *,
    shape: Shape,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """x (N, H, W, C), g (N, H', W', O) -> the gradient of conv2d's w, of the given shape
    (kh, kw, C / groups, O)."""
    if dilation == groups == 1:
        return conv.conv2d_weight(x, g, shape=shape, stride=stride, padding=padding)
    x, g = together((x, g))
    _check("conv2d_weight", x.shape, shape, dilation, groups)
    each = (*spread_kernel(shape, dilation), shape[2], shape[3] // groups)
    lay = {"shape": each, "stride": stride, "padding": padding}
    pairs = zip(split(x, groups, axis=3), split(g, groups, axis=3), strict=True)
    w = concatenate([conv.conv2d_weight(*two, **lay) for two in pairs], axis=3)
    return w[_places(dilation)]


def _check(op: str, x: Shape, w: Shape, dilation: Pair, groups: int) -> None:
    """Raises ValueError unless images and weights of these shapes can be cut into groups, and
    their kernel spread."""
    check_dilation(op, dilation)
    if not hasattr(groups, "__index__"):
        raise TypeError(f"{op}: wanted a whole number of groups, not {groups!r}")
    if len(x) != 4 or len(w) != 4:
        raise ValueError(
            f"{op}: wanted images (N, H, W, C) and weights (kh, kw, C / groups, O), not {x} and {w}"
        )
    if groups < 1 or x[3] != w[2] * groups or w[3] % groups:
        raise ValueError(
            f"{op}: wanted weights (kh, kw, C / groups, O) with groups that divide C and O, "
            f"got images {x}, weights {w} and groups={groups}"
        )


def check_dilation(name: str, dilation: Pair) -> None:
    """Raises ValueError, or TypeError, unless it is one whole number or two, 1 or more."""
    if min(pair(dilation, name)) < 1:
        raise ValueError(f"{name}: wanted dilation >= 1, got {dilation}")


def spread_kernel(w: Shape, dilation: Pair) -> tuple[int, int]:
    """Height and width of a kernel with gaps: dilation · (k - 1) + 1."""
    height, width = (d * (k - 1) + 1 for d, k in zip(pair(dilation), w, strict=False))
    return height, width


def _places(dilation: Pair) -> tuple[slice, slice]:
    """Where the weights are among the zeros."""
    dh, dw = pair(dilation)
    return slice(None, None, dh), slice(None, None, dw)


def _spread(w: Tensor, dilation: Pair) -> Tensor:
    """w with zeros between its places."""
    shape = (*spread_kernel(w.shape, dilation), *w.shape[2:])
    return w if shape == w.shape else index_add(w, key=_places(dilation), shape=shape)
