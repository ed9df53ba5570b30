"""What can be said of a run: its scores beside those of real images, and what it draws.

    evaluation = evaluate("runs/gan_mnist")    draws samples
    evaluation.save()                          scores.json and report.html in the run folder

Nothing is computed before it is asked for.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, plots, scores
from ..errors import UsageError
from ..models import Model
from ..models.autoregressive import Autoregressive
from ..models.conditional import Conditional
from ..models.iwae import IWAEs
from ..models.vae import VAE
from ..scores import Evaluator, Score
from ..scores.evaluator import LEAST, some
from ..train import Run, load_model
from ..weights import write_aside, write_json
from . import embedding, page

Array = np.ndarray[Any, Any]
NEAREST = 200  # samples whose nearest training image is looked for
EXACT = 1000  # test images whose log p(x) is computed, where the model writes it down
LIKELIHOODS = 100  # test images whose log p(x) is estimated
INNER = 5000  # samples of q(z|x) for each


@dataclass
class Evaluation:
    """A run, its model and n samples of it, uint8 (n, H, W, C)."""

    run: Run
    model: Model
    evaluator: Evaluator
    pictures: Array
    seed: int = 0
    embeddings: Path | None = None  # the picture, once `draw_embeddings` has made it

    @cached_property
    def date(self) -> str:
        """When it was made, in UTC."""
        return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

    @cached_property
    def scores(self) -> dict[str, Score]:
        """All scores that the model allows, by short names."""
        found = self.evaluator.scores(self.pictures)
        found["nearest"] = self._distance(self.neighbours[1])
        if isinstance(self.model, Conditional) and self.evaluator.net is not None:
            found |= self._labels(self.model, self.evaluator.net)
        model = self.model.best if isinstance(self.model, IWAEs) else self.model
        if isinstance(model, VAE | Autoregressive):
            found["log_likelihood"] = self._log_likelihood(model)
        return found

    @cached_property
    def real(self) -> dict[str, Score]:
        """The same scores of as many images of the validation split, where they have such."""
        found, held_out = self.evaluator.real_scores(len(self.pictures)), self.evaluator.validation
        n = min(NEAREST, len(self.pictures))
        _, distance = self._nearest(held_out.images[some(held_out, n)])
        return {**found, "nearest": self._distance(distance)}

    @cached_property
    def shares(self) -> Array | None:
        """The share of each class among the samples; None if nothing tells classes apart."""
        return None if self.evaluator.net is None else self.evaluator.shares(self.pictures)

    @cached_property
    def neighbours(self) -> tuple[Array, Array]:
        """Of the first samples the index of the nearest training image, and the distance to it."""
        return self._nearest(self.pictures[:NEAREST])

    def save(self) -> Path:
        """Writes scores.json and report.html into the run folder; returns the page's path."""
        path, text = self.run.folder / "report.html", page.html(self)
        rows = {name: self._row(name, score) for name, score in self.scores.items()}
        about = {"date": self.date, "model": self.run.config.get("model"), "seed": self.seed}
        shares = {} if self.shares is None else self._named(self.shares)
        real = {} if self.shares is None else self._named(self.evaluator.real_shares)
        classes = {"samples": shares, "train": real}
        write_json(
            self.run.folder / "scores.json", {**about, "scores": rows, "class shares": classes}
        )
        write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))
        return path

    def draw_embeddings(self) -> None:
        """t-SNE and PCA of real, generated and latent points, as embeddings.png in the run folder.

        Raises UsageError without scikit-learn.
        """
        figure = embedding.figure(self.model, self.evaluator, self.pictures, self.seed)
        path = self.run.folder / "embeddings.png"
        plots.save(figure, path)
        self.embeddings = path

    def _row(self, name: str, score: Score) -> dict[str, Any]:
        real = self.real.get(name)
        return {"title": score.title, **asdict(score), "real": None if real is None else real.value}

    def _named(self, shares: Array) -> dict[str, float]:
        return dict(zip(self.evaluator.train.classes, map(float, shares), strict=True))

    def _nearest(self, pictures: Array) -> tuple[Array, Array]:
        """In pixels from 0 to 1."""
        mine, theirs = (x.reshape(len(x), -1) for x in (pictures, self.evaluator.train.images))
        index, distance = scores.nearest(mine, theirs)
        return index, distance / 255

    def _distance(self, distance: Array) -> Score:
        against = f"{len(self.evaluator.train):,} images of the train split"
        name, best = "distance to the nearest training image", "as of real images"
        value = float(distance.mean())
        return Score(name, value, "pixels", len(distance), against, best=best)

    def _labels(self, model: Conditional, net: Any) -> dict[str, Score]:
        heard = scores.hears_labels(net, model, np.random.default_rng([self.seed, 1]))
        accuracy = Score("label accuracy", heard.accuracy, self.evaluator.by, heard.samples)
        influence = Score("label influence", heard.influence, "pixels", heard.samples)
        return {"label_accuracy": accuracy, "label_influence": influence}

    def _log_likelihood(self, model: VAE | Autoregressive) -> Score:
        test, count = self.evaluator.test, LIKELIHOODS if isinstance(model, VAE) else EXACT
        images = test.images[some(test, count)]
        rng = np.random.default_rng([self.seed, 2])
        x = data.binarise(images, rng) if model.BINARY else data.scale(images, *model.RANGE)
        binarised = ", binarised" * model.BINARY
        name = f"log p(x) of {len(x):,} images of the test split{binarised}, nats"
        if isinstance(model, Autoregressive):
            return Score(name, float(model.log_likelihood(x).mean()), "exact", 0)
        value = scores.log_likelihood(model, x, k=INNER, rng=rng).mean()
        observation, s = model.config.observation, model.config.s
        density = f"Gaussian p(x|z), s = {s:g}" if observation == "gaussian" else "Bernoulli p(x|z)"
        return Score(name, float(value), density, INNER, "of z for each image")


def evaluate(
    folder: str | Path, *, n: int | None = None, source: str | None = None, seed: int = 0
) -> Evaluation:
    """Draws n samples from the run in the folder; unless given 5,000, or as many as there are
    images in its validation and test splits.

    source: the data, as in `data.load`, if it lies elsewhere now. seed: of the samples.
    Raises FileNotFoundError or FileError if the folder is no run that can be sampled, DataError
    or UsageError for data that is not there or not the run's, for fewer than 100 samples or more
    than there are real ones, and for samples that are not finite.
    """
    run, model = load_model(folder)
    if n is not None and n < LEAST:
        raise UsageError(f"evaluate: wanted {LEAST} samples or more, got {n}")
    evaluator = Evaluator.of(run, source)
    n = n or evaluator.samples
    evaluator.check(np.dtype(np.uint8), (n, *evaluator.test.images.shape[1:]))  # before drawing
    images = model.sample(n, np.random.default_rng(seed))
    if not np.isfinite(images).all():
        raise UsageError(f"{run.folder}: its samples hold NaN or infinity, it has diverged")
    return Evaluation(run, model, evaluator, data.unscale(images, *model.RANGE), seed)
