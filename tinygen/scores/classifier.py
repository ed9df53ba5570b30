"""A small convolutional classifier, trained here on the images that a model learns from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import tensor
from ..data import Dataset, scale
from ..errors import UsageError
from ..nn import Conv2d, Linear, Module, Reshape, Sequential, in_chunks
from ..nn.init import Rng, he
from ..ops import relu, softmax
from ..optim import Adam, Optimizer
from ..prob import softmax_loss


class Verdict(NamedTuple):
    """What a classifier says of a set of pictures."""

    shares: np.ndarray[Any, Any]  # of the pictures, per class: (classes,), summing to 1
    confidence: float  # median over the pictures of the largest class probability


class View(NamedTuple):
    """What a classifier makes of N images."""

    features: np.ndarray[Any, Any]  # of its last layer but one: (N, d)
    p: np.ndarray[Any, Any]  # p(class | image): (N, classes)


def can_classify(dataset: Dataset) -> bool:
    """Whether its images have two classes or more, and a size that `network` takes."""
    _, h, w, _ = dataset.images.shape
    return len(dataset.classes) >= 2 and h % 4 == w % 4 == 0


def network(shape: tuple[int, ...], classes: int, rng: Rng) -> Sequential:
    """Logits (N, classes) for images of `shape` (H, W, C) in [-1, 1]; H, W divisible by 4."""
    h, w, c = shape
    if h % 4 or w % 4:
        raise UsageError(f"classifier: wanted a height and width divisible by 4, got {h}×{w}")
    layout: dict[str, Any] = {"kernel": 4, "stride": 2, "padding": 1, "rng": rng, "init": he}
    size = h // 4 * (w // 4) * 32
    return Sequential(
        *(Conv2d(c, 16, **layout), relu, Conv2d(16, 32, **layout), relu),
        Reshape(size),
        *(Linear(size, 64, rng=rng), relu, Linear(64, classes, rng=rng)),
    )


def train_classifier(
    dataset: Dataset, *, epochs: int = 2, batch: int = 64, seed: int = 0, quiet: bool = False
) -> Sequential:
    """`network`, trained with Adam; about 98 % right on MNIST after two epochs.

    Raises UsageError if there is only one class to tell apart.
    """
    classes = len(dataset.classes)
    if classes < 2:
        raise UsageError(f"classifier: wanted images of two classes or more, got {classes}")
    rng = np.random.default_rng(seed)
    net = network(dataset.images.shape[1:], classes, rng)
    opt = Adam(net.parameters(), lr=1e-3)
    learn(net, opt, dataset, rng, epochs=epochs, batch=batch, quiet=quiet)
    return net


def learn(
    net: Module,
    opt: Optimizer,
    dataset: Dataset,
    rng: Rng,
    *,
    epochs: int,
    batch: int,
    vary: Callable[[Any], Any] = lambda images: images,
    quiet: bool = False,
) -> None:
    """Steps of opt on batches in random order. vary: what is done to each batch of uint8 images."""
    from tqdm.auto import tqdm

    starts = range(0, len(dataset) - batch + 1, batch)
    with tqdm(total=epochs * len(starts), desc="classifier", unit="step", disable=quiet) as bar:
        for _ in range(epochs):
            order = rng.permutation(len(dataset))
            for i in starts:
                chosen = order[i : i + batch]
                x = tensor(scale(vary(dataset.images[chosen]), -1, 1))
                loss = softmax_loss(net(x, train=True), dataset.labels[chosen])
                opt.step(grad(loss, opt.params))
                bar.update()


def view(net: Sequential, images: Any) -> View:
    """Features and probabilities of uint8 images (N, H, W, C)."""
    inner, last = net[:-1], net[-1]
    features = in_chunks(lambda part: inner(tensor(scale(part, -1, 1))), images, 500)
    return View(features, in_chunks(lambda part: softmax(last(tensor(part))), features, 500))


def probabilities(net: Sequential, images: Any) -> np.ndarray[Any, Any]:
    """p(class | picture) of uint8 images (N, H, W, C): (N, classes)."""
    return view(net, images).p


def accuracy(net: Sequential, dataset: Dataset) -> float:
    """The share of the data set's images whose class the net finds."""
    return float((probabilities(net, dataset.images).argmax(1) == dataset.labels).mean())


def judge(net: Sequential, images: Any) -> Verdict:
    """Shares and confidence of uint8 images (N, H, W, C)."""
    p = probabilities(net, images)
    shares = np.bincount(p.argmax(1), minlength=p.shape[1]) / len(p)
    return Verdict(shares, float(np.median(p.max(1))))
