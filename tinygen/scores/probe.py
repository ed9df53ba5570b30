"""What a discriminator has learned to see. Radford et al. 2015, section 5.1.

Each convolutional layer's features, after its activation, are max-pooled to a grid of 4 × 4 and
laid end to end; a linear classifier on them, trained with labels, tells how much of the classes
they hold (the paper's is a linear SVM; ours a softmax). The same classifier on the pixels, and on
their principal components, says what it is worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad, tensor
from ..data import scale
from ..errors import UsageError
from ..nn import Linear, Module, Sequential, in_chunks
from ..ops import concatenate, max_pool, reshape
from ..optim import AdamW
from ..prob import softmax_loss

Array = np.ndarray[Any, Any]
GRID = 4  # the side to which features are pooled


def conv_features(D: Sequential, x: Tensor) -> Tensor:
    """The features of images x (N, H, W, C) in D's range: (N, 16 · all channels).

    Those at a side that 4 does not divide are left out. Raises UsageError if there are no others.
    """
    found = []
    for layer in D:
        x = layer(x, train=False) if isinstance(layer, Module) else layer(x)
        if not isinstance(layer, Module) and x.ndim == 4 and not x.shape[1] % GRID:
            pooled = max_pool(x, x.shape[1] // GRID, stride=x.shape[1] // GRID)
            found.append(reshape(pooled, len(x), -1))
    if not found:
        wanted = f"convolutions to sides divisible by {GRID}, each with an activation"
        raise UsageError(f"conv_features: wanted {wanted}, got none")
    return concatenate(found, axis=1)


def seen_by(D: Sequential, images: Array) -> Array:
    """`conv_features` of uint8 images (N, H, W, C), for a D whose images go from -1 to 1."""
    return in_chunks(lambda part: conv_features(D, tensor(scale(part, -1, 1))), images, 250)


def linear_accuracy(
    x: Array, labels: Array, x_test: Array, labels_test: Array, *, epochs: int = 20, seed: int = 0
) -> float:
    """The share of test points (M, d) whose class a linear classifier of points x (N, d) finds.

    Softmax regression on standardised features by AdamW (batches of 100, weight decay 0.1).
    """
    rng, classes = np.random.default_rng(seed), int(labels.max()) + 1
    mean, sd = x.mean(0), x.std(0) + 1e-6
    points, others = ((part - mean) / sd for part in (x, x_test))
    net = Linear(x.shape[1], classes, rng=rng)
    opt = AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(epochs):
        order = rng.permutation(len(points))
        for i in range(0, len(order), 100):
            chosen = order[i : i + 100]
            loss = softmax_loss(net(tensor(points[chosen])), labels[chosen])
            opt.step(grad(loss, opt.params))
    with no_grad():
        found = net(tensor(others)).numpy().argmax(1)
    return float((found == labels_test).mean())
