"""Floor 5: numbers that say how well samples meet what they should be samples of.

classifier   a small convolutional net that says which class a picture is of
classes      the share of each class among a model's samples, epoch after epoch: is it collapsing?
labels       whether a conditional model draws what it is asked for
likelihood   log p(x) of a model with an encoder and a decoder, by importance sampling
wasserstein  the sliced Wasserstein-1 distance of two clouds of points
"""

from .classes import ClassHistogram, run_classifier
from .classifier import Verdict, judge, network, probabilities, train_classifier
from .labels import Heard, hears_labels, label_influence, report_labels
from .likelihood import log_likelihood
from .wasserstein import directions, sliced_wasserstein

__all__ = [
    "ClassHistogram",
    "Heard",
    "Verdict",
    "directions",
    "hears_labels",
    "judge",
    "label_influence",
    "log_likelihood",
    "network",
    "probabilities",
    "report_labels",
    "run_classifier",
    "sliced_wasserstein",
    "train_classifier",
]
