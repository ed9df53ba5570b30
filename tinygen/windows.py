"""Floor 0: how windows lie on an image, for convolution and pooling, one axis at a time."""

from __future__ import annotations

import operator

Pair = int | tuple[int, int]  # of height and width


def pair(value: Pair, name: str = "") -> tuple[int, int]:
    """(height, width) from one number, which stands for both, or two. Raises TypeError for numbers
    that are not whole, ValueError for more or fewer than two; `name`, if given, begins the line."""
    try:
        if isinstance(value, tuple | list):
            height, width = value
            return operator.index(height), operator.index(width)
        return operator.index(value), operator.index(value)
    except (TypeError, ValueError) as error:
        wanted = f"wanted one whole number or (height, width), not {value!r}"
        raise type(error)(f"{name}: {wanted}" if name else wanted) from None


def window_count(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows of `kernel` pixels, `stride` apart, lie on `size` pixels with `padding` at
    either end: ⌊(size + 2·padding - kernel) / stride⌋ + 1. Raises ValueError if none fits."""
    if stride < 1 or padding < 0:
        raise ValueError("wanted stride >= 1 and padding >= 0")
    if kernel > size + 2 * padding:
        raise ValueError(f"a kernel of {kernel} does not fit into {size} + 2·{padding} pixels")
    return (size + 2 * padding - kernel) // stride + 1


def reads(place: int, size: int, stride: int, padding: int, count: int) -> tuple[slice, slice]:
    """(windows, pixels): which of `count` windows have their pixel number `place` on the image,
    and these pixels, one for each."""
    lo = max(0, -(-(padding - place) // stride))
    hi = max(lo, min(count, (size - 1 + padding - place) // stride + 1))
    first = lo * stride - padding + place
    return slice(lo, hi), slice(first, max(first, first + (hi - lo - 1) * stride + 1), stride)
