"""Floor 3: layers that hold parameters. `init` says how these begin."""

from . import init
from .layers import BatchNorm, Conv2d, ConvTranspose2d, LayerNorm, Linear
from .module import Module, Sequential, in_chunks, with_parameters
from .networks import dense
from .norms import EqualisedRate, GroupNorm, SpectralNorm, pixel_norm
from .simple import Dropout, Embedding, Reshape

__all__ = [
    "BatchNorm",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "EqualisedRate",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "Module",
    "Reshape",
    "Sequential",
    "SpectralNorm",
    "dense",
    "in_chunks",
    "init",
    "pixel_norm",
    "with_parameters",
]
