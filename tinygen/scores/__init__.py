"""Floor 5: numbers that say how good samples are.

classifier  a small convolutional net that says which class a picture is of
classes     the share of each class among a model's samples, epoch after epoch: is it collapsing?
"""

from .classes import ClassHistogram
from .classifier import Verdict, judge, network, probabilities, train_classifier

__all__ = [
    "ClassHistogram",
    "Verdict",
    "judge",
    "network",
    "probabilities",
    "train_classifier",
]
