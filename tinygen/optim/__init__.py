"""Floor 3: optimisers. `opt.step(grads)` moves the parameters in place, by the paper's formula.

optimizer  what all have in common
methods    SGD, RMSProp, Adagrad, Adam, AdamW
search     LBFGS
clipping   gradients kept within a limit
schedules  learning rates that change, as functions of the step count
averages   EMA, the exponential average of a network's weights

Parameters stay in their own arrays (two optimisers may share one network); what an optimiser
remembers of them is flat, one array a quantity. A CPU works in blocks that stay in the cache, a
GPU on all parameters in one launch.
"""

from .averages import EMA
from .clipping import clip_by_norm, clip_by_value
from .methods import SGD, Adagrad, Adam, AdamW, RMSProp
from .optimizer import Optimizer
from .schedules import Schedule, constant, cosine, exponential, step_decay, warm_up
from .search import LBFGS

__all__ = [
    "EMA",
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSProp",
    "Schedule",
    "clip_by_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "exponential",
    "step_decay",
    "warm_up",
]
