"""Floor 3: optimisers. `opt.step(grads)` moves the parameters in place, by the paper's formula.

optimizer  what all have in common
methods    SGD, RMSProp, Adagrad, Adam, AdamW
search     LBFGS

Parameters stay in their own arrays (two optimisers may share one network); what an optimiser
remembers of them is flat, one array a quantity. A CPU works in blocks that stay in the cache, a
GPU on all parameters in one launch.
"""

from .methods import SGD, Adagrad, Adam, AdamW, RMSProp
from .optimizer import Optimizer
from .search import LBFGS

__all__ = ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSProp"]
