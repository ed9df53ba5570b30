"""Averages of the weights over a training run."""

from __future__ import annotations

from copy import deepcopy

from ..core import Tensor, no_grad
from ..cpu import optim as cpu
from ..device import Array
from ..nn.module import Module
from .optimizer import fraction


class EMA:
    """The exponential moving average of a network's weights (Polyak & Juditsky 1992; of a GAN's
    generator: Karras et al. 2017, section A.2), which `update` moves after each step:

        w̄ ← decay · w̄ + (1 - decay) · w

    average: a network of its own that has w̄, at first the weights as they are; call it with
    train=False. Its buffers (running statistics) are those of `network` at the last update.
    A checkpoint holds an EMA as it holds a network: the state is that of `average`.
    """

    def __init__(self, network: Module, decay: float):
        self.network, self.decay = network, fraction("EMA", "decay", decay)
        self.average = deepcopy(network)

    def update(self, t: int | None = None) -> None:
        """Moves the average towards the weights. Raises ValueError if a network has other names
        than it had, TypeError or DeviceError if one of the two was cast or moved.

        t: the steps so far. With it the decay is at most (1 + t) / (10 + t), so that the weights
        of the beginning are soon forgotten.
        """
        decay = self.decay if t is None else min(self.decay, (1 + t) / (10 + t))
        mine, theirs = (dict(n._named()) for n in (self.average, self.network))
        if mine.keys() != theirs.keys():
            names = ", ".join(sorted(mine.keys() ^ theirs.keys()))
            raise ValueError(f"EMA: wanted networks of the same names, only one has {names}")
        pairs = {id(t): (t, theirs[name]) for name, t in mine.items()}  # each once
        with no_grad():
            for kept, now in pairs.values():
                if kept.requires_grad:
                    kept.data = self._moved(kept, now, decay)
                else:
                    kept.data = now.data.copy()

    def _moved(self, kept: Tensor, now: Tensor, decay: float) -> Array:
        """The new w̄; on the CPU, of what is alike, in one pass."""
        rest, like = 1 - decay, (kept.shape, kept.dtype, "cpu")
        if like == (now.shape, now.dtype, now.device) and kept.device == "cpu":
            return cpu.average(kept.data, now.data, rest)
        return (kept + (now - kept) * rest).data

    def state_dict(self) -> dict[str, Array]:
        """Name -> copy of the array, for every averaged weight and buffer."""
        return self.average.state_dict()

    def load_state_dict(self, state: dict[str, Array]) -> None:
        """The inverse of state_dict. Raises ValueError if names or shapes differ."""
        self.average.load_state_dict(state)
