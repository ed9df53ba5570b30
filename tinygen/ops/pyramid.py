"""Laplacian pyramids of images (N, H, W, C). Burt & Adelson 1983.

    down(x)   blurred, and every other pixel of it: half the size
    up(x)     zeros between the pixels, blurred: twice the size

Both blur by the binomial kernel (1, 4, 6, 4, 1) / 16 along the rows and the columns; beyond the
edge lies what is before it, as in a mirror. A level's detail is what halving it loses; the pyramid
has the details from the finest on, and in the end what is left of the image:

    detail_k = x_k - up(x_{k+1}),  x_{k+1} = down(x_k)          so x_k = detail_k + up(x_{k+1})

Made of ops, so all of it has gradients.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core import Tensor
from .padding import pad
from .shape import lift, reshape, stack

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def blur(x: Tensor, axis: int, *, step: int = 1) -> Tensor:
    """Σ_k KERNEL[k] · x[i + k - 2] along one axis of images, for every step-th i."""
    n, lead = x.shape[axis], (slice(None),) * axis
    widths = [(0, 0)] * 4
    widths[axis] = (2, 2)
    framed = pad(x, widths, mode="reflect")
    parts = [w * framed[(*lead, slice(k, k + n, step))] for k, w in enumerate(KERNEL)]
    y = parts[0]
    for part in parts[1:]:
        y = y + part
    return y


def down(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, H/2, W/2, C). Raises ValueError unless H and W are even."""
    x = lift(x)
    if x.ndim != 4 or x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(
            f"down: wanted images (N, H, W, C) of even height and width, got {x.shape}"
        )
    return blur(blur(x, 1, step=2), 2, step=2)


def up(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, 2H, 2W, C)."""
    x = lift(x)
    if x.ndim != 4:
        raise ValueError(f"up: wanted images (N, H, W, C), got {x.shape}")
    for axis in (1, 2):
        shape = list(x.shape)
        shape[axis] *= 2
        spread = reshape(stack([x, x * 0.0], axis=axis + 1), *shape)
        x = 2.0 * blur(spread, axis)  # as half of what it blurs is 0
    return x


def laplacian_pyramid(x: Tensor, levels: int) -> list[Tensor]:
    """[detail_0, …, x_{levels-1}]: so many images, the finest first, each half as large as the one
    before. Raises ValueError for a size that cannot be halved so often."""
    if levels < 1:
        raise ValueError(f"laplacian_pyramid: wanted 1 or more levels, got {levels}")
    pyramid, x = [], lift(x)
    for _ in range(levels - 1):
        smaller = down(x)
        pyramid.append(x - up(smaller))
        x = smaller
    return [*pyramid, x]


def from_pyramid(pyramid: Sequence[Tensor]) -> Tensor:
    """The images of a pyramid: the inverse of `laplacian_pyramid`."""
    *details, x = pyramid
    for detail in reversed(details):
        x = detail + up(x)
    return x
