"""Sums of products over named axes: einsum and tensordot, made of matrix products.

Two arrays are contracted by one batched product. With the axes of each gathered into three groups,

    a (batch, rows, inner) @ b (batch, inner, columns) -> (batch, rows, columns)

batch: axes that both have and the result keeps; inner: that both have and are summed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..axes import normal_axes
from ..core import Tensor
from .linalg import batched_matmul
from .reduce import sum
from .shape import permute, together

Labels = list[Hashable]  # one for each axis of an array; equal ones stand for the same axis


def _contracted(a: Tensor, of_a: Labels, b: Tensor, of_b: Labels, kept: set[Hashable]) -> Any:
    """(a·b summed over the axes that both have and `kept` has not, its labels)."""
    both = [i for i in of_a if i in of_b]
    batch, inner = [i for i in both if i in kept], [i for i in both if i not in kept]
    rows, columns = [i for i in of_a if i not in both], [i for i in of_b if i not in both]
    size = dict(zip(of_a, a.shape, strict=True)) | dict(zip(of_b, b.shape, strict=True))

    def grouped(x: Tensor, labels: Labels, first: Labels, second: Labels) -> Tensor:
        x = _ordered(x, labels, [*batch, *first, *second])
        return x.reshape([size[i] for i in batch] + [_length(g, size) for g in (first, second)])

    a, b = grouped(a, of_a, rows, inner), grouped(b, of_b, inner, columns)
    y = batched_matmul(a, b) if inner else a * b
    labels = [*batch, *rows, *columns]
    return y.reshape([size[i] for i in labels]), labels


def _length(labels: Labels, size: dict[Hashable, int]) -> int:
    return math.prod(size[i] for i in labels)


def _ordered(x: Tensor, labels: Labels, wanted: Labels) -> Tensor:
    """x with its axes in the wanted order."""
    return x if labels == wanted else permute(x, axes=tuple(labels.index(i) for i in wanted))


def tensordot(a: Any, b: Any, axes: int | tuple[Any, Any] = 2) -> Tensor:
    """Σ a·b over the last `axes` axes of a and the first ones of b, or over the pair (axes of a,
    axes of b), which belong together one by one -> what is left of a's axes, then of b's.

    >>> tg.tensordot(x, w, axes=1)  # x @ w
    >>> tg.tensordot(x, y, axes=([0, 1], [1, 0]))
    """
    a, b = together((a, b))
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: wanted 0 <= axes <= {min(a.ndim, b.ndim)}, got {axes}")
        axes = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    pairs = [(i,) if isinstance(i, (int, np.integer)) else tuple(i) for i in axes]
    if len(pairs) != 2 or len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"tensordot: wanted as many axes of a as of b, got {axes}")
    for given, x in zip(pairs, (a, b), strict=True):
        normal_axes(given, x.ndim, "tensordot")  # raises where an axis is not there, or twice
    of_a: Labels = list(range(a.ndim))
    of_b: Labels = list(range(a.ndim, a.ndim + b.ndim))
    for i, j in zip(*pairs, strict=True):
        if a.shape[i] != b.shape[j]:
            raise ValueError(f"tensordot: axis {i} of {a.shape} does not fit axis {j} of {b.shape}")
        of_b[j] = of_a[i]
    return _contracted(a, of_a, b, of_b, set(of_a) ^ set(of_b))[0]  # type: ignore[no-any-return]


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Einstein's sum: axes of equal letters go together, and letters that are not in the output
    are summed over. Any number of operands, contracted from left to right.

    >>> tg.einsum("nhwc,cd->nhwd", x, w)
    >>> tg.einsum("ii", a)  # the trace: without "->", letters that occur once are the output
    >>> tg.einsum("...ij,...j->...i", a, v)  # "...": leading axes, which broadcast

    As in NumPy, an axis of length 1 broadcasts against longer ones of its letter, and the output
    of "...", if there is no "->", comes first, then letters by the alphabet.
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f'einsum: wanted subscripts as "ij,jk->ik" first, got {type(subscripts).__name__}'
        )
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ValueError(f'einsum: "{subscripts}" wants {len(terms)} arrays, got {len(operands)}')
    xs = together(operands)
    labels = [_labels(term, x.ndim, x.shape) for term, x in zip(terms, xs, strict=True)]
    wanted = _output(output, labels) if arrow else _implied(labels)
    size = _sizes(xs, labels)
    for n, x in enumerate(xs):
        others = {i for m, of_x in enumerate(labels) for i in of_x if m != n}
        xs[n], labels[n] = _alone(x, labels[n], size, others | set(wanted))
    y, of_y = xs[0], labels[0]
    for n in range(1, len(xs)):
        later = {i for of_x in labels[n + 1 :] for i in of_x} | set(wanted)
        y, of_y = _contracted(y, of_y, xs[n], labels[n], later)
    return _ordered(y, of_y, wanted)


def _labels(term: str, ndim: int | None, shape: Sequence[int] = ()) -> Labels:
    """The labels of a term: its letters, and for "..." numbers that count from its right end."""
    match = re.fullmatch(r"([A-Za-z]*)(\.\.\.)?([A-Za-z]*)", term)
    if match is None:
        raise ValueError(f'einsum: wanted letters and at most one "...", got "{term}"')
    before, dots, after = match.groups()
    rest = 0 if ndim is None else ndim - len(before + after)
    if rest < 0 or (rest and not dots):
        letters = len(before + after)
        raise ValueError(f'einsum: "{term}" names {letters} axes of an array of shape {shape}')
    return [*before, *range(rest, 0, -1), *after]


def _output(term: str, labels: list[Labels]) -> Labels:
    """The labels of an output that is given."""
    known = {i for of_x in labels for i in of_x}
    rest = sorted((i for i in known if isinstance(i, int)), reverse=True)
    letters = _labels(term, None)
    if rest and "..." not in term:
        raise ValueError(f'einsum: the axes of "..." are not in the output "{term}"')
    for i in letters:
        if i not in known or letters.count(i) > 1:
            fault = "twice in the output" if i in known else "in the output but in no input"
            raise ValueError(f'einsum: "{i}" is {fault} "{term}"')
    at = term.find("...") if "..." in term else 0
    return [*letters[:at], *rest, *letters[at:]]


def _implied(labels: list[Labels]) -> Labels:
    """The labels of an output that is not: the axes of "...", then all letters that occur once."""
    every = [i for of_x in labels for i in of_x]
    rest = sorted({i for i in every if isinstance(i, int)}, reverse=True)
    return [*rest, *sorted(i for i in every if isinstance(i, str) and every.count(i) == 1)]


def _sizes(xs: list[Tensor], labels: list[Labels]) -> dict[Hashable, int]:
    """The length of each label's axis; one of length 1 takes any."""
    size: dict[Hashable, int] = {}
    for x, of_x in zip(xs, labels, strict=True):
        for i, n in zip(of_x, x.shape, strict=True):
            if 1 not in (n, size.get(i, 1)) and size[i] != n:
                name = f'"{i}"' if isinstance(i, str) else f'axis -{i} of "..."'
                raise ValueError(f"einsum: {name} has lengths {size[i]} and {n}")
            size[i] = n if size.get(i, 1) == 1 else size[i]
    return size


def _alone(x: Tensor, labels: Labels, size: dict[Hashable, int], needed: set[Hashable]) -> Any:
    """What can be done with one array before others: (x without axes that repeat, with the
    diagonal of those that have one letter, summed over those that nobody needs; its labels)."""
    full = [m for m, n in enumerate(x.shape) if n == size[labels[m]]]
    if len(full) < x.ndim:
        x, labels = x.reshape([x.shape[m] for m in full]), [labels[m] for m in full]
    for i in [i for k, i in enumerate(labels) if i in labels[:k]]:
        first, second = (m for m, j in enumerate(labels) if j == i and labels[: m + 1].count(i) < 3)
        others = [m for m in range(x.ndim) if m not in (first, second)]
        x = permute(x, axes=(*others, first, second))
        x = x.reshape([*x.shape[:-2], size[i] ** 2])[..., :: size[i] + 1]
        labels = [*(labels[m] for m in others), i]
    gone = tuple(m for m, i in enumerate(labels) if i not in needed)
    if gone:
        x = sum(x, axis=gone)
    return x, [i for i in labels if i in needed]
