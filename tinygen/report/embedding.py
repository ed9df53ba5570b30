"""t-SNE (van der Maaten & Hinton 2008) and PCA of real, generated and latent points, side by side.

Real and generated images are embedded together, so that one lies beside the other where they look
alike; the points are a classifier's features, or pixels where there is none. Latent points are the
codes of test images where the model has an encoder, else the z of its samples, if it has one; their
colours then are what the classifier sees in the images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .. import plots
from ..data import scale, unscale
from ..errors import UsageError
from ..models import Model
from ..models.model import ImageNetwork
from ..nn import in_chunks
from ..nn.init import Rng
from ..scores import Evaluator
from ..scores.classifier import view
from ..scores.evaluator import some

Array = np.ndarray[Any, Any]
POINTS = 1000  # of each kind


def figure(model: Model, evaluator: Evaluator, pictures: Array, seed: int) -> Figure:
    """A row for PCA and one for t-SNE; columns for real, generated and latent points.

    pictures: samples of the model, uint8 (N, H, W, C). Raises UsageError without scikit-learn.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise UsageError(
            'scikit-learn is wanted for this, and not installed: pip install "tinygen[analysis]"'
        ) from None
    test = evaluator.test
    chosen = some(test, POINTS)
    real, _ = seen(evaluator, test.images[chosen])
    generated, of_generated = seen(evaluator, pictures[:POINTS])
    codes = latent(model, evaluator, np.random.default_rng([seed, 3]))
    panels = {}
    for name, method in (("PCA", PCA), ("t-SNE", TSNE)):
        both = embedded(method, np.concatenate([real, generated]), seed)
        panels[f"{name}: real images"] = both[: len(real)], test.labels[chosen]
        panels[f"{name}: generated images"] = both[len(real) :], of_generated
        if codes:
            panels[f"{name}: latent points"] = embedded(method, codes[0], seed), codes[1]
    return plots.embeddings(panels, test.classes, columns=len(panels) // 2, shared=2)


def embedded(method: Any, points: Array, seed: int) -> Array:
    """Points (N, d) in the plane, (N, 2), by PCA or TSNE; on a line, if d is 1."""
    if points.shape[1] == 1:
        return np.column_stack([points, np.zeros(len(points))])
    method = method(2, random_state=seed % 2**32)  # scikit-learn takes no larger ones
    return np.asarray(method.fit_transform(points.astype(np.float64)))


def seen(evaluator: Evaluator, images: Array) -> tuple[Array, Array]:
    """Of uint8 images the points that stand for them, (N, d), and their classes as they look;
    -1 where nothing can tell."""
    if evaluator.net is None:
        return images.reshape(len(images), -1) / 255, np.full(len(images), -1)
    features, p = view(evaluator.net, images)
    return features, p.argmax(1)


def latent(model: Model, evaluator: Evaluator, rng: Rng) -> tuple[Array, Array] | None:
    """Latent points (N, d) and their images' classes; None for a model without."""
    if codes := encoded(model, evaluator, POINTS):
        return codes
    try:
        network = model.image_network()
    except UsageError:
        return None
    z = rng.standard_normal((POINTS, network.latent))
    return z, seen(evaluator, unscale(drawn(model, network, z, rng), *model.RANGE))[1]


def encoded(model: Model, evaluator: Evaluator, n: int) -> tuple[Array, Array] | None:
    """The codes (n, d) of n test images and their labels; None without an encoder."""
    encode = getattr(model, "encode", None)
    if encode is None:
        return None
    chosen = some(evaluator.test, n)
    images = evaluator.test.images[chosen]
    return encode(scale(images, *model.RANGE)), evaluator.test.labels[chosen]


def drawn(model: Model, network: ImageNetwork, z: Array, rng: Rng) -> Array:
    """The images of z (N, d) in the model's range, categories and numbers drawn at random."""
    told = [z]
    if network.categories:
        told.append(np.eye(network.categories)[rng.integers(network.categories, size=len(z))])
    told.append(rng.uniform(-1, 1, (len(z), network.numbers)))

    x = np.concatenate(told, axis=1)
    return in_chunks(lambda part: network.images(model.tensor(part)), x, 256)
