"""Numbers that kernels and what launches them share: each stands here alone.

`launch.options` defines them for the compiler, as -DTHREADS=256: THREADS in every .cu file, the
others in the files of their stem.
"""

from __future__ import annotations

THREADS = 256  # of a block, unless a kernel's comment says otherwise
WARP = 32  # threads that run in step. The hardware's number: kernels just write 32

TILE = 64  # rows and columns of a block's part of a convolution's product
WIDE = 2  # times as many rows has the larger kind of tile
FEW = 4  # channels; the gradient of an image of so few is gathered without tiles

SMALL, LARGE = 64, 128  # rows and columns of a block's part of a matrix product: two kinds
PANEL = 16  # entries along k that a block with a SMALL tile takes in one step

ROW = 1024  # threads of a block that has a long row of a layer norm
EACH = 4  # entries of a row whose running sums one thread computes

SIZES: dict[str, dict[str, int]] = {
    "conv": {"TILE": TILE, "WIDE": WIDE, "FEW": FEW},
    "conv_tf32": {"TILE": TILE, "WIDE": WIDE},
    "linalg": {"SMALL": SMALL, "LARGE": LARGE, "PANEL": PANEL},
    "linalg_tf32": {"SMALL": SMALL, "LARGE": LARGE, "PANEL": PANEL},
    "normalise": {"ROW": ROW},
    "scan": {"EACH": EACH},
}
