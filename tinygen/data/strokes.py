"""Handwritten-looking digits drawn from stroke skeletons: a built-in, offline stand-in for MNIST.

The skeletons are the project's own, copied from no font and no data set. A digit is drawn in
five steps:

1. skeleton: one of the digit's writing variants, a few control points joined by smooth curves;
2. jitter: every control point moves a little, more in an untidy hand than in a tidy one;
3. affine: random slant, rotation and aspect;
4. elastic: a smooth random displacement field bends the curve as a whole;
5. ink: the curve is scaled into a 20 x 20 box, centred by its centre of mass in 28 x 28 pixels,
   and inked with a pen whose width differs between images and varies along the stroke.

The pixels follow MNIST: 0 is background, 255 is ink, edges are anti-aliased.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASSES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
SIZE = 28
BOX = 20.0
SAMPLES = 96  # points along a skeleton: at most about one pixel apart
BLUR = 0.65  # pixels; the Gaussian that turns sample points into a continuous line
CHUNK = 512  # images inked at once, which bounds the memory

# Each digit's writing variants as (share, strokes). Points are "x,y" in a box of 100 x 100 with y
# pointing down, "!" marks a sharp corner and "|" lifts the pen.
SKELETONS: dict[str, tuple[tuple[float, str], ...]] = {
    "0": (
        (4, "56,2 22,16 8,50 21,84 50,98 80,84 93,48 78,14 48,2"),  # round
        (2, "56,2 34,15 26,50 32,84 50,98 68,85 77,50 68,14 48,3"),  # narrow
        (2, "76,12 44,3 14,22 6,60 22,92 58,96 88,70 90,32 64,6 36,10"),  # ends overlap
        (1, "40,6 14,24 7,60 28,92 64,96 92,68 90,28 64,6"),  # open at the top
        (1, "20,14 -14,30 -18,58 14,86 62,91 108,72 120,40 90,12 44,5 10,18"),  # lying
    ),
    "1": (
        (6, "50,0 50,100"),  # a bare stem
        (2, "53,0 49,34 50,66 46,100"),  # a swung stem
        (1.2, "32,22 52,0! 51,50 50,100"),  # with a flag
        (0.8, "26,20 52,0! 51,50 50,98 | 20,99 50,98 84,98"),  # with flag and foot
    ),
    "2": (
        (3, "10,22 32,3 64,3 78,26 62,54 34,84 10,96 4,78 28,72 58,90 78,96 100,86"),  # looped
        (2, "14,26 32,4 66,6 78,40 60,80 26,98 2,82 22,66 56,78 104,96"),  # wide loop
        (4, "12,20 34,3 64,4 76,26 62,54 36,80 10,97! 50,96 92,94"),  # sharp foot
        (2, "10,16 40,6 82,8 72,36 42,66 12,92! 48,92 106,94"),  # flat, close to a Z
    ),
    "3": (
        (5, "16,14 42,2 72,10 70,34 36,48! 72,56 82,78 56,98 12,90"),
        (2, "14,6 44,4 82,4! 60,24 38,42! 74,50 82,76 56,98 10,90"),  # flat top
        (3, "16,16 44,2 74,14 66,36 46,46 60,50 80,64 74,88 44,98 4,86"),  # no corner
        (1, "8,10 44,4 76,14 60,38 34,48 42,40 76,50 78,78 48,96 0,90"),  # a loop at the waist
    ),
    "4": (
        (4, "22,4 16,30 12,56! 48,56 88,50 | 78,2 74,50 68,100"),  # open
        (3, "22,2 14,34 22,54 50,56 80,42 | 82,2 76,50 70,100"),  # open and round
        (2, "6,0 2,30 -2,62! 48,60 112,56 | 74,10 72,50 68,100"),  # wide
        (2, "66,2 36,34 8,66! 50,66 94,62 | 66,2 64,50 62,100"),  # closed
    ),
    "5": (
        (3, "28,4 22,44! 54,38 80,60 68,90 38,98 8,88 | 28,5 58,5 100,0"),  # the bar comes last
        (3, "90,2 58,6 30,6! 22,44! 54,40 78,62 66,92 36,98 4,86"),  # one stroke
        (3, "104,4 64,6 38,14 32,40 58,58 66,80 44,98 -4,90"),  # close to an S
        (1, "24,2 18,32! 50,32 80,58 60,94 22,94 10,78 | 24,4 60,4 92,6"),  # a big belly
        (1, "34,14 26,44! 56,40 78,62 64,92 30,96 12,84 | 50,10 74,5 104,0"),  # the bar stands off
    ),
    "6": (
        (4, "68,2 38,26 16,64 28,94 58,96 76,76 62,56 36,62 20,84"),
        (3, "52,0 32,36 22,74 38,98 66,92 72,68 52,58 28,78"),  # tall
        (2, "84,4 44,18 14,58 22,92 56,98 84,74 68,48 38,54 20,70"),  # wide
        (2, "64,0 36,34 22,72 34,97 58,92 60,72 42,64 24,80"),  # a small loop
        (2, "34,2 12,38 10,78 38,98 78,90 94,62 70,46 48,62 44,92"),  # a loop to the right
    ),
    "7": (
        (5, "6,10 44,8 84,6! 62,50 48,100"),
        (2, "4,12 44,8 82,4! 62,46 46,100 | 28,52 56,50 86,48"),  # with a bar
        (3, "6,36 12,8! 48,6 86,4! 72,44 64,100"),  # with a serif
        (3, "6,20 24,6 56,4 80,14 74,46 50,100"),  # round shoulder
    ),
    "8": (
        (4, "78,16 52,2 26,16 36,40 62,58 74,82 50,98 24,82 38,58 66,36 78,14"),
        (3, "92,8 60,4 26,18 38,42 58,62 60,86 36,98 18,82 36,58 66,38 90,14"),  # leaning loops
        (2, "50,2 26,12 28,36 50,48 74,36 74,12 48,3 | 50,48 22,62 24,90 52,98 78,86 74,60 48,48"),
        (2, "44,46 24,24 46,2 70,18 52,46 26,72 40,98 68,86 66,62 42,44"),  # from the middle
        (1, "90,12 54,2 12,16 24,42 54,58 66,84 42,98 22,80 42,56 78,38 92,18"),  # wide top
        (1, "84,22 64,2 30,14 34,38 62,56 70,80 48,98 26,84 40,60 92,30"),  # open
    ),
    "9": (
        (4, "76,14 48,3 20,24 30,48 58,44 78,14! 72,54 62,100"),  # straight tail
        (2, "76,16 48,2 22,22 32,46 60,42 78,16! 78,60 62,94 24,94"),  # hooked tail
        (3, "52,46 24,40 30,10 60,2 80,18 76,44 64,72 48,100"),  # one sweep
        (2, "86,10 48,4 4,24 12,50 56,46 86,12! 78,54 74,100"),  # wide head
        (1.5, "66,12 44,2 26,20 34,42 56,36 68,10! 64,54 56,100"),  # a small head
    ),
}


@dataclass(frozen=True)
class Skeleton:
    """A writing variant: its control points and the matrix that turns them into a curve."""

    points: Floats  # (K, 2), centred, in units of the digit's height
    basis: Floats  # (SAMPLES, K)
    joined: Floats  # (SAMPLES - 1,), 0 where the pen is lifted


def draw(n: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw ``n`` digits: uint8 images (n, 28, 28, 1) and int64 labels (n,) in random order."""
    n, seed = _integer("n", n, 1), _integer("seed", seed, 0)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n, dtype=np.int64) % len(CLASSES))
    images = np.empty((n, SIZE, SIZE, 1), np.uint8)
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        curves, joined = _write(labels[start:stop], rng)
        curves = _elastic(_affine(curves, rng), rng)
        images[start:stop, :, :, 0] = _ink(curves, joined, rng)
    return images, labels


def _integer(name: str, value: int, least: int) -> int:
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _write(labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Choose a variant for each label, jitter its control points and sample the curve."""
    curves = np.empty((len(labels), SAMPLES, 2))
    joined = np.empty((len(labels), SAMPLES - 1))
    choice = rng.random(len(labels))
    untidiness = rng.uniform(0.01, 0.042, len(labels))
    for digit, name in enumerate(CLASSES):
        shares = np.array([share for share, _ in SKELETONS[name]])
        variant = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], choice, side="right")
        for index, (_, strokes) in enumerate(SKELETONS[name]):
            chosen = np.flatnonzero((labels == digit) & (variant == index))
            skeleton = _skeleton(strokes)
            jitter = rng.normal(size=(len(chosen), *skeleton.points.shape))
            points = skeleton.points + untidiness[chosen, None, None] * jitter
            curves[chosen] = skeleton.basis @ points
            joined[chosen] = skeleton.joined
    return curves, joined


@cache
def _skeleton(strokes: str) -> Skeleton:
    """Spread the samples evenly over the length of the strokes."""
    parsed = [_parse(stroke) for stroke in strokes.split("|")]
    fine = [_spline(len(points), corners) for points, corners in parsed]
    curves = [basis @ points for basis, (points, _) in zip(fine, parsed, strict=True)]
    along = [np.insert(np.cumsum(_steps(curve)), 0, 0.0) for curve in curves]
    lengths = np.cumsum([0.0, *(distance[-1] for distance in along)])
    bounds = np.round(lengths / lengths[-1] * SAMPLES).astype(int)
    points = np.concatenate([points for points, _ in parsed])
    basis = np.zeros((SAMPLES, len(points)))
    joined = np.ones(SAMPLES - 1)
    column = 0
    for rows, distance, (first, last) in zip(fine, along, pairwise(bounds), strict=True):
        # The small step back keeps rounding from deciding between neighbours.
        even = np.searchsorted(distance, np.linspace(0.0, distance[-1], last - first) - 1e-6)
        basis[first:last, column : column + rows.shape[1]] = rows[even]
        joined[first - 1 : first] = 0.0  # an empty slice for the first stroke
        column += rows.shape[1]
    return Skeleton((points - 50.0) / 100.0, basis, joined)


def _parse(stroke: str) -> tuple[Floats, list[int]]:
    """The control points of a stroke and the indices of those that are sharp corners."""
    words = stroke.split()
    points = np.array([[float(value) for value in word.rstrip("!").split(",")] for word in words])
    return points, [i for i, word in enumerate(words) if word.endswith("!")]


def _spline(count: int, corners: list[int], steps: int = 64) -> Floats:
    """Catmull-Rom weights (rows, count) of finely spaced points, with breaks at the corners."""
    t = np.linspace(0.0, 1.0, steps)[:, None] ** np.arange(4)
    matrix = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    ends = [0, *corners, count - 1]
    rows = []
    for first, last in pairwise(ends):
        knots = np.eye(count)[first : last + 1]
        before, after = 2 * knots[0] - knots[1], 2 * knots[-1] - knots[-2]
        padded = np.vstack([before, knots, after])
        rows += [t @ matrix @ padded[i : i + 4] for i in range(last - first)]
    return np.concatenate(rows)


def _steps(curves: Floats) -> Floats:
    """The lengths of the steps from sample point to sample point: (..., P, 2) to (..., P - 1)."""
    return np.asarray(np.linalg.norm(np.diff(curves, axis=-2), axis=-1))


def _affine(curves: Floats, rng: np.random.Generator) -> Floats:
    """Change the aspect, slant to the right (as most hands do) and turn."""
    n = len(curves)
    width = 0.85 * np.clip(np.exp(rng.normal(0.0, 0.2, n)), 0.75, 1.5)
    slant = rng.normal(-0.2, 0.22, n)
    turn = rng.normal(0.0, 0.08, n)
    cos, sin = np.cos(turn), np.sin(turn)
    across, down = (cos * width, sin * width), (cos * slant - sin, sin * slant + cos)
    return curves @ np.stack([*across, *down], axis=-1).reshape(n, 2, 2)


def _elastic(curves: Floats, rng: np.random.Generator, waves: int = 4) -> Floats:
    """Move the points by a sum of a few long plane waves: a smooth displacement field."""
    n = len(curves)
    frequency = rng.normal(0.0, 3.0, (n, 2, waves))
    phase = rng.uniform(0.0, 2 * np.pi, (n, 1, waves))
    amplitude = rng.normal(0.0, 0.04, (n, waves, 2))
    return curves + np.sin(curves @ frequency + phase) @ amplitude


def _ink(curves: Floats, joined: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Trace the curves with a pen: (n, SAMPLES, 2) points to (n, 28, 28) pixels.

    The sum of Gaussians along a line is a function of the distance to the line alone, so its
    logarithm gives that distance, and as a Gaussian is separable the sum over all sample points
    is one matrix product per image.
    """
    n = len(curves)
    radius = _radius(curves, joined, rng)
    softness = rng.uniform(1.0, 1.7, (n, 1, 1))
    wobble = rng.normal(0.0, 0.12, (n, 3)) @ np.cos(
        np.pi * np.arange(1, 4)[:, None] * np.linspace(0.0, 1.0, SAMPLES)
    )
    pen = radius * (1.0 + np.clip(wobble, -0.35, 0.35))
    points, length = _place(curves, joined, radius)
    # A wider pen at a point is a larger weight there: the logarithm adds it to the radius.
    weight = length * np.exp((pen**2 - radius**2) / (2 * BLUR**2)) / (BLUR * np.sqrt(2 * np.pi))
    offset = points[..., None].astype(np.float32) - np.arange(SIZE, dtype=np.float32)
    bell = np.exp(-(offset**2) / np.float32(2 * BLUR**2))
    across, down = bell[:, :, 0], bell[:, :, 1] * weight[..., None].astype(np.float32)
    density = down.transpose(0, 2, 1) @ across
    squared = -2 * BLUR**2 * np.log(np.maximum(density, np.float32(1e-30)))
    distance = np.sqrt(np.maximum(squared, 0.0))
    edge = np.clip((radius[..., None] - distance) / softness + 0.5, 0.0, 1.0)
    return np.asarray(255.0 * edge * edge * (3.0 - 2.0 * edge) + 0.5, np.uint8)


def _radius(curves: Floats, joined: Floats, rng: np.random.Generator) -> Floats:
    """Half the pen width in pixels (n, 1), narrow enough not to fill the loops of the digit."""
    extent = np.ptp(curves, axis=1)
    scale = 18.0 / extent.max(axis=1)
    room = np.maximum(extent * scale[:, None], 8.0).prod(axis=1)
    length = (_steps(curves) * joined).sum(axis=1) * scale
    radius = 1.27 * np.exp(rng.normal(0.0, 0.3, len(curves)))
    return np.clip(np.minimum(radius, 0.35 * room / length), 0.75, 2.6)[:, None]


def _place(curves: Floats, joined: Floats, radius: Floats) -> tuple[Floats, Floats]:
    """Scale into the box, centre by mass; the points in pixels and the ink length at each."""
    low, high = curves.min(axis=1), curves.max(axis=1)
    scale = (BOX - 2 * radius) / (high - low).max(axis=1, keepdims=True)
    points = curves * scale[..., None]
    steps = _steps(points) * joined
    length = (np.pad(steps, ((0, 0), (1, 0))) + np.pad(steps, ((0, 0), (0, 1)))) / 2
    mass = (points * length[..., None]).sum(axis=1) / length.sum(axis=1, keepdims=True)
    centre = (SIZE - 1) / 2
    reach = centre - 1.4 - radius  # a lopsided digit keeps off the border rather than centred
    shift = np.clip(-mass, -reach - low * scale, reach - high * scale)
    return points + (centre + shift)[:, None], length
