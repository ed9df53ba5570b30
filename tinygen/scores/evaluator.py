"""Every score of a set of samples at once, and with each score what it depends on.

    evaluator = Evaluator.of(run)
    for score in evaluator.scores(pictures).values():
        print(score.title, score.value)

A score compares with another only if one network saw the images, one split stood for what is real,
and the samples were as many. So each score names these, and `real_scores` gives the same scores of
real images: what a perfect generator would get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..data import Dataset
from ..errors import UsageError
from ..nn import Sequential
from ..train import Run
from ..train.training import described, load_split
from .classes import run_classifier
from .classifier import View, can_classify, judge, view
from .frechet import frechet_distance
from .inception import class_balance, diversity_score, inception_score, mode_score, modes
from .neighbours import precision_recall
from .reference import has_reference
from .wasserstein import directions, sliced_wasserstein

Array = np.ndarray[Any, Any]
SAMPLES = 5000  # a usual number of them
LEAST = 100  # for fewer, most scores say more of their number than of the model
COVERED = 0.02  # the share of the samples from which on a class is there; of many classes less
SPLITS = ("train", "validation", "test")  # what scores take of a data set
CLASSIFIABLE = "have two classes or more, and a height and width divisible by 4"


def check_comparable(load: Callable[[str], Dataset]) -> None:
    """Raises UsageError for images that no classifier of ours tells apart, or too few.

    load: gives the splits by name. A comparison of several models asks this before it trains the
    first.
    """
    train, validation, test = map(load, SPLITS)
    _check_enough(train, validation, test)
    if not can_classify(train):
        raise _unclassifiable(train)


def _check_enough(train: Dataset, validation: Dataset, test: Dataset) -> None:
    if min(len(validation), len(test)) < LEAST:
        raise UsageError(
            f"scores: wanted {LEAST} or more images in the validation and the test split, "
            f"got {len(validation)} and {len(test)} of {train.name}"
        )


def _unclassifiable(dataset: Dataset) -> UsageError:
    return UsageError(f"scores: wanted images that {CLASSIFIABLE}, got {dataset!r}")


@dataclass(frozen=True)
class Score:
    """A number that says how good samples are, and all that it depends on."""

    name: str
    value: float
    by: str  # what sees the images: a classifier, or nothing but their pixels
    samples: int  # 0 where none were drawn
    against: str = ""  # the real images it compares with
    sd: float | None = None  # over equal parts of the samples
    best: str = "high"  # or "low", or what is best in words

    @property
    def depends(self) -> str:
        """All that it depends on, in words."""
        drawn = f"{self.samples:,} samples" if self.samples else ""
        return ", ".join(filter(None, (self.by, drawn, self.against)))

    @property
    def title(self) -> str:
        """The name with all that it depends on."""
        return f"{self.name} ({self.depends})"


@dataclass
class Evaluator:
    """Scores samples of what `train` is a split of, against `test`.

    net: a classifier of these images whose last layer but one gives the features; None where
    there is none (`can_classify`): then the scores are those of pixels alone. name: how scores call
    it.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    net: Sequential | None
    name: str = ""

    @classmethod
    def of(cls, run: Run, source: str | None = None) -> Self:
        """For samples of what the run learned from. source: as in `data.load`; the run's own
        unless given.

        Trains a classifier first, if these images have classes but the package has none of them.
        Raises DataError for images that are not found, UsageError if they are others than the
        run's or too few.
        """
        train, validation, test = (load_split(run.config, split, source) for split in SPLITS)
        found = described(train)
        began = {name: run.config.get(name, value) for name, value in found.items()}
        if began != found:
            raise UsageError(f"{run.folder} learned from {began}, this is {found}")
        _check_enough(train, validation, test)
        if not can_classify(train):
            return cls(train, validation, test, None)
        kind = "reference" if has_reference(train) else "own"
        net = run_classifier(run, train)
        return cls(train, validation, test, net, f"{train.name} {kind} classifier")

    def scores(self, pictures: Array) -> dict[str, Score]:
        """The scores of uint8 images (N, H, W, C) by short names.

        Those that compare with real images take as many of the test split. Raises UsageError for
        fewer than LEAST images, more than `most`, or of another shape or dtype.
        """
        self.check(pictures.dtype, pictures.shape)
        n = len(pictures)
        chosen = some(self.test, n)
        mine, theirs = (x.reshape(n, -1) / 255 for x in (pictures, self.test.images[chosen]))
        if self.net is None:
            return self._by_distances(mine, theirs) | _sliced(mine, theirs)
        seen = view(self.net, pictures)
        by_features = self._by_distances(seen.features, self.of_test.features[chosen])
        return self._by_classes(seen.p) | by_features | _sliced(mine, theirs)

    @property
    def most(self) -> int:
        """The largest number of samples with as many real images to compare with in both splits."""
        return min(len(self.validation), len(self.test))

    @property
    def samples(self) -> int:
        """How many samples to score: SAMPLES, or `most` if that is less."""
        return min(SAMPLES, self.most)

    def real_scores(self, n: int) -> dict[str, Score]:
        """The same scores of n images of the validation split."""
        return self.scores(self.validation.images[some(self.validation, n)])

    def shares(self, pictures: Array) -> Array:
        """The share of each class among uint8 images (N, H, W, C), as the classifier sees them."""
        self.check(pictures.dtype, pictures.shape)
        return judge(self._classifier(), pictures).shares

    @cached_property
    def of_test(self) -> View:
        """What the classifier makes of the test split."""
        return view(self._classifier(), self.test.images)

    @cached_property
    def by(self) -> str:
        """What sees the images: the classifier, and how often it is right, or their pixels."""
        if self.net is None:
            return "pixels"
        right = (self.of_test.p.argmax(1) == self.test.labels).mean()
        return f"{self.name}, {right:.2%} right"

    @cached_property
    def real_shares(self) -> Array:
        """p*(y): the share of each class among the images that the model learned from."""
        labels, classes = self.train.labels, len(self.train.classes)
        return np.bincount(labels, minlength=classes) / len(labels)

    def _classifier(self) -> Sequential:
        if self.net is None:
            raise _unclassifiable(self.train)
        return self.net

    def _by_classes(self, p: Array) -> dict[str, Score]:
        """What the classifier's answers p(y|x), (N, K), tell."""
        (n, classes), real = p.shape, self.real_shares
        counts = np.bincount(p.argmax(1), minlength=classes)
        there = min(COVERED, 0.2 / classes)
        value, sd = inception_score(p)
        own: dict[str, Any] = {"by": self.by, "samples": n}
        of_train = {**own, "against": f"{len(self.train):,} labels of the train split"}
        found = {
            "inception_score": Score("Inception score", value, **own, sd=sd),
            "classes_covered": Score(
                f"classes of {100 * there:g} % of the samples or more",
                float((counts >= there * n).sum()),
                **own,
            ),
            "least_share": Score("share of the rarest class", counts.min() / n, **own),
        }
        if not real.all():  # a class without an image: nothing compares with its share
            return found
        chi_square = modes(counts, real).chi_square
        return {
            **found,
            "mode_score": Score("mode score", mode_score(p, real), **of_train),
            "diversity_score": Score(
                "diversity score", diversity_score(p, real), **of_train, best="1"
            ),
            "class_balance": Score("class balance", class_balance(p, real), **of_train),
            "chi_square": Score("χ² of the classes", chi_square, **of_train, best="low"),
        }

    def _by_distances(self, samples: Array, real: Array) -> dict[str, Score]:
        """What points tell, both (m, d): features, or pixels where there is no classifier."""
        own: dict[str, Any] = {"by": self.by, "samples": len(samples), "against": _test(real)}
        precision, recall = precision_recall(real, samples)
        found = {
            "precision": Score("precision", precision, **own),
            "recall": Score("recall", recall, **own),
        }
        if self.net is None:
            return found
        distance = frechet_distance(samples, real)
        return {"frechet_distance": Score("Fréchet distance", distance, **own, best="low"), **found}

    def check(self, dtype: Any, shape: tuple[int, ...]) -> None:
        """Raises UsageError for what are no images to score: LEAST to `most`, as the real ones."""
        wanted = self.test.images.shape[1:]
        fits = dtype == np.uint8 and shape[1:] == wanted
        if not fits or not LEAST <= shape[0] <= self.most:
            raise UsageError(
                f"scores: wanted {LEAST} to {self.most} uint8 images of {wanted}, as there are "
                f"real ones to compare with, got {dtype} {shape}"
            )


def _sliced(samples: Array, real: Array) -> dict[str, Score]:
    """Of pixels from 0 to 1, (m, d): over 100 directions, always the same."""
    u = directions(100, real.shape[1], np.random.default_rng(0))
    value = sliced_wasserstein(samples, real, u)
    own: dict[str, Any] = {"by": "pixels", "samples": len(samples), "against": _test(real)}
    return {"sliced_wasserstein": Score("sliced Wasserstein distance", value, **own, best="low")}


def _test(real: Array) -> str:
    return f"{len(real):,} images of the test split"


def some(dataset: Dataset, n: int) -> Array:
    """The indices of n of its images, or of all if it has fewer: always the same, and shuffled, as
    a file may begin with the easy ones (MNIST's test split does) or be sorted by class."""
    return np.random.default_rng(0).permutation(len(dataset))[:n]
