"""Floor 5: numbers that say how well samples meet what they should be samples of.

evaluator    all scores of a set of samples, each with what it depends on
reference    the classifiers of MNIST and Fashion-MNIST, with weights that come with the package
             (`make_reference` made them)
classifier   a small convolutional net that says which class a picture is of, trained when needed
classes      the share of each class among a model's samples, epoch after epoch: is it collapsing?
inception    is each sample clearly of a class, and are all classes there? By a classifier's answers
frechet      how far two sets of features are apart, each taken for a Gaussian
neighbours   precision and recall, and the nearest training image
labels       whether a conditional model draws what it is asked for
likelihood   log p(x) of a model with an encoder and a decoder, by importance sampling
wasserstein  the sliced Wasserstein-1 distance of two clouds of points
patches      the same of the patches of images, at each level of their Laplacian pyramids
"""

from .classes import ClassHistogram, run_classifier
from .classifier import Verdict, accuracy, judge, network, probabilities, train_classifier
from .evaluator import CLASSIFIABLE, Evaluator, Score
from .frechet import frechet_distance
from .inception import Modes, class_balance, diversity_score, inception_score, mode_score, modes
from .labels import Heard, hears_labels, label_influence, report_labels
from .likelihood import log_likelihood
from .neighbours import nearest, precision_recall
from .patches import sliced_wasserstein_by_level
from .reference import features
from .wasserstein import directions, sliced_wasserstein

__all__ = [
    "CLASSIFIABLE",
    "ClassHistogram",
    "Evaluator",
    "Heard",
    "Modes",
    "Score",
    "Verdict",
    "accuracy",
    "class_balance",
    "directions",
    "diversity_score",
    "features",
    "frechet_distance",
    "hears_labels",
    "inception_score",
    "judge",
    "label_influence",
    "log_likelihood",
    "mode_score",
    "modes",
    "nearest",
    "network",
    "precision_recall",
    "probabilities",
    "report_labels",
    "run_classifier",
    "sliced_wasserstein",
    "sliced_wasserstein_by_level",
    "train_classifier",
]
