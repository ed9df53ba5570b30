"""Floor 5: numbers that say how well samples meet what they should be samples of.

classifier   a small convolutional net that says which class a picture is of
classes      the share of each class among a model's samples, epoch after epoch: is it collapsing?
likelihood   log p(x) of a model with an encoder and a decoder, by importance sampling
wasserstein  the sliced Wasserstein-1 distance of two clouds of points
"""

from .classes import ClassHistogram
from .classifier import Verdict, judge, network, probabilities, train_classifier
from .likelihood import log_likelihood
from .wasserstein import directions, sliced_wasserstein

__all__ = [
    "ClassHistogram",
    "Verdict",
    "directions",
    "judge",
    "log_likelihood",
    "network",
    "probabilities",
    "sliced_wasserstein",
    "train_classifier",
]
