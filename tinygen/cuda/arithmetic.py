"""How products of float32 are computed: exactly, or faster on tensor cores, as the user chose."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..device import DeviceError, cupy

CHOICES = ("fp32", "tf32")
_chosen = "fp32"


class precision:
    """Chooses the arithmetic of matrix products and convolutions of float32 on "cuda".

    "fp32", as it is at the start, is exact to float32's rounding. "tf32" rounds the factors to
    10 bits of mantissa and sums in float32: relative errors near 5e-4, for speed. It needs
    compute capability 8.0 (Ampere) or more. float64 and the CPU stay as they are.

    >>> tg.cuda.precision("tf32")  # from here on
    >>> with tg.cuda.precision("tf32"):  # or for these lines
    ...     y = x @ w
    """

    def __init__(self, choice: str):
        global _chosen
        if choice not in CHOICES:
            raise ValueError(f"precision: wanted one of {', '.join(CHOICES)}, got {choice!r}")
        self.before, _chosen = _chosen, choice

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        global _chosen
        _chosen = self.before


def uses_tf32(dtype: Any) -> bool:
    """Whether products of this dtype go to the TF32 kernels. Raises DeviceError if they cannot."""
    if _chosen != "tf32" or dtype != np.float32:
        return False
    if _capability() < 80:
        raise DeviceError(
            f"precision 'tf32' needs compute capability 8.0, this GPU has {_capability() / 10}"
        )
    return True


@cache
def _capability() -> int:
    return int(cupy().cuda.Device().compute_capability)
