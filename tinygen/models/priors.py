"""Distributions of points in the plane, (N, 2), that a code can be made to follow.

Makhzani et al. 2015, figures 2 and 4. All are functions (n, rng, labels=None, parts=10): a prior
has `parts` parts of equal probability, one for each label. With labels (n,), a point is drawn from
its label's part; without, from all of the prior.

    gaussian     N(0, I); a part is a sector of 2π/parts
    mixture      `parts` Gaussians around a circle, elongated along its radius; a part is one
    swiss_roll   uniform along a spiral, a little spread; a part is one of equal lengths of it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UsageError
from ..nn.init import Rng

Array = np.ndarray[Any, Any]
Prior = Callable[..., Array]

PARTS = 10
EXTENT = 3.0  # all lie within about this distance of the origin
# mixture: the circle's radius, and the standard deviations along and across it
CIRCLE, ALONG, ACROSS = 2.0, 0.5, 0.125
# swiss roll: its radius, how often it goes round, the standard deviation of its width
RADIUS, TURNS, WIDTH = EXTENT, 2.0, 0.1


def gaussian(n: int, rng: Rng, labels: Any = None, parts: int = PARTS) -> Array:
    """N(0, I) from two uniform numbers (Box & Muller 1958): √(-2 log v) at the angle 2πu."""
    u = _place(n, rng, labels, parts)
    return _turned(np.sqrt(-2 * np.log1p(-rng.random(n))), 0, 2 * np.pi * u)


def mixture(n: int, rng: Rng, labels: Any = None, parts: int = PARTS) -> Array:
    """One of the `parts` Gaussians, each as likely."""
    component = np.floor(parts * _place(n, rng, labels, parts))
    return spoke(component, *rng.standard_normal((2, n)), parts=parts)


def spoke(component: Any, along: Any, across: Any = 0.0, *, parts: int = PARTS) -> Array:
    """A point of a component, so many standard deviations from its mean: (...,) -> (..., 2)."""
    angle = 2 * np.pi * np.asarray(component) / parts
    return _turned(CIRCLE + ALONG * along, ACROSS * across, angle)


def swiss_roll(n: int, rng: Rng, labels: Any = None, parts: int = PARTS) -> Array:
    """A point of the roll, moved by N(0, WIDTH² I)."""
    return roll(_place(n, rng, labels, parts)) + WIDTH * rng.standard_normal((n, 2))


def roll(u: Any) -> Array:
    """The spiral from its centre (u = 0) outwards (u = 1): (...,) -> (..., 2).

    Its radius grows as its angle does, so its length as the square: √ makes steps of u equal ones
    of the length (but for the innermost part of a turn).
    """
    root = np.sqrt(u)
    return _turned(RADIUS * root, 0, 2 * np.pi * TURNS * root)


def _place(n: int, rng: Rng, labels: Any, parts: int) -> Array:
    """Uniform in [0, 1), or in the label's share [label, label + 1) / parts of it: (n,)."""
    u = rng.random(n)
    if labels is None:
        return u
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise UsageError(f"prior: wanted a label for each of {n} points, got {labels.shape}")
    if n and not 0 <= labels.min() <= labels.max() < parts:
        raise UsageError(
            f"prior: wanted 0 <= label < {parts}, got {labels.min()} to {labels.max()}"
        )
    return (labels + u) / parts


def _turned(x: Any, y: Any, angle: Any) -> Array:
    """(x, y) turned about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


PRIORS: dict[str, Prior] = {"swiss_roll": swiss_roll, "mixture": mixture, "gaussian": gaussian}
