"""One step of an optimiser on the GPU, all parameters in one launch: kernels/optim.cu."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..device import Array, cupy
from .launch import dense, launch

PART = 2048  # entries of a block: 8 a thread


class Together:
    """All parameters of an optimiser as one grid of blocks. sizes: their numbers of entries."""

    def __init__(self, sizes: Sequence[int]):
        self.parts = cupy().asarray(_parts(sizes))
        self.at: list[tuple[int, int]] = []  # what `pointers` holds: (parameter's, gradient's)
        self.pointers: Array = None

    def step(
        self,
        kernel: str,
        params: Sequence[Array],
        grads: Iterable[Array],
        state: Iterable[Array],
        *numbers: float,
    ) -> None:
        """Runs the kernel; nothing waits for it. grads may be views, state is flat."""
        grads = [dense(g) for g in grads]
        at = [(p.data.ptr, g.data.ptr) for p, g in zip(params, grads, strict=True)]
        if at != self.at:  # gradients mostly lie where the last step's did
            self.at, self.pointers = at, cupy().asarray(np.array(at, np.uint64))
        numbers = tuple(map(float, numbers))
        launch(f"optim/{kernel}", len(self.parts), self.parts, self.pointers, *state, *numbers)


def _parts(sizes: Sequence[int]) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """A row for each block: which tensor, the first entry of it that is the block's, that entry's
    place among those of all tensors, and how many entries from there on."""
    rows, start = [], 0
    for tensor, size in enumerate(sizes):
        for first in range(0, size, PART):
            rows.append((tensor, first, start + first, min(PART, size - first)))
        start += size
    return np.array(rows, np.int32).reshape(-1, 4)
