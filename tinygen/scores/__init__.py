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
probe        how much of the classes a discriminator's features hold
subspace     PCA, and the angles between two subspaces
wasserstein  the sliced Wasserstein-1 distance of two clouds of points
patches      the same of the patches of images, at each level of their Laplacian pyramids
"""

from .classes import ClassHistogram, run_classifier
from .classifier import Verdict, accuracy, judge, network, probabilities, train_classifier
from .evaluator import Evaluator, Score, check_comparable
from .frechet import frechet_distance
from .inception import Modes, class_balance, diversity_score, inception_score, mode_score, modes
from .labels import Heard, hears_labels, label_influence, report_labels
from .likelihood import log_likelihood
from .neighbours import nearest, precision_recall
from .patches import sliced_wasserstein_by_level
from .probe import conv_features, linear_accuracy, seen_by
from .reference import features
from .subspace import PCA, pca, principal_angles
from .wasserstein import directions, sliced_wasserstein

__all__ = [
    "PCA",
    "ClassHistogram",
    "Evaluator",
    "Heard",
    "Modes",
    "Score",
    "Verdict",
    "accuracy",
    "check_comparable",
    "class_balance",
    "conv_features",
    "directions",
    "diversity_score",
    "features",
    "frechet_distance",
    "hears_labels",
    "inception_score",
    "judge",
    "label_influence",
    "linear_accuracy",
    "log_likelihood",
    "mode_score",
    "modes",
    "nearest",
    "network",
    "pca",
    "precision_recall",
    "principal_angles",
    "probabilities",
    "report_labels",
    "run_classifier",
    "seen_by",
    "sliced_wasserstein",
    "sliced_wasserstein_by_level",
    "train_classifier",
]
