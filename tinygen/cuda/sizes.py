"""Numbers that kernels and what launches them share: each stands here alone.

A stem's numbers are defined in its `.cu` file when it is compiled, as -DTILE=64.
"""

from __future__ import annotations

TILE = 64  # rows and columns of a block's part of a convolution's product
FEW = 4  # channels; so few are gathered by a kernel without tiles

SIZES: dict[str, dict[str, int]] = {
    "conv": {"TILE": TILE, "FEW": FEW},
    "conv_tf32": {"TILE": TILE},
}
