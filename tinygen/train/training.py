"""The part of an example that is the same in all: data, model, run folder; the loop; the grids.

An example says which flags there are, then

    training = train.prepare(parser)    reads the flags, loads the data, builds the model
    training.fit(each_epoch)            trains it, with pictures after every epoch
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, models, plots
from ..cpu import threads
from ..device import device_of, to_device
from ..errors import FileError, UsageError
from ..models import Model, Setup
from ..nn import BatchNorm
from ..version import __version__
from ..weights import load, write_json
from .checkpoint import load_parts, read_position
from .loop import Step, fit
from .options import Options, Parser, parse
from .run import Run


@dataclass
class Training:
    """A model, the data it is trained on, and the run folder that this leaves."""

    options: Options
    dataset: data.Dataset
    model: Model
    run: Run
    rng: np.random.Generator

    def fit(
        self,
        each_epoch: Callable[[int], None] | None = None,
        *,
        step: Step | None = None,
        count: int | None = None,
        batch: int | None = None,
        seconds: float = math.inf,
    ) -> None:
        """Trains; after each epoch calls each_epoch(epoch), which is `draw` unless given.

        step, count and batch stand in for `step`, the number of all images and that of a step.
        seconds: of training in all, after which it returns; see `fit`.
        """
        with threads.expecting(convolutions=self.model.convolves):
            fit(
                self.run,
                self.model.parts(),
                step or self.step,
                count or len(self.dataset),
                self.rng,
                epochs=self.options.epochs,
                batch=batch or self.options.batch * self.model.batches,
                each_epoch=each_epoch or self.draw,
                seconds=seconds,
            )

    def step(self, chosen: np.ndarray[Any, Any], rng: np.random.Generator) -> dict[str, Any]:
        """One step of the model on the images whose indices are chosen."""
        if self.model.BINARY:
            x = data.binarise(self.dataset.images[chosen], rng)
        else:
            x = self.dataset.batch(chosen, *self.model.RANGE, self.options.device)
        if self.options.augment:
            mirrored = to_device(rng.random(len(x)) < 0.5, device_of(x))
            x[mirrored] = x[mirrored, :, ::-1]
        return self.model.update(**self.model.draw(x, self.dataset.labels[chosen], rng))

    def announce(self) -> None:
        """Prints how long the training will take, by a few steps of a copy of the model."""
        seconds = self.seconds_a_step(deepcopy(self.model))
        images = self.options.batch * self.model.batches
        steps = self.options.epochs * (len(self.dataset) // images)
        minutes = steps * seconds / 60
        print(f"{steps:,} steps of about {seconds:.2g} s: {minutes:.0f} minutes", flush=True)

    def seconds_a_step(self, model: Model) -> float:
        """The least of three steps of a model like the run's, which they move."""
        trial, rng, seconds = replace(self, model=model), self.generator(1), []
        chosen = np.arange(self.options.batch * model.batches)
        for _ in range(3):
            began = time.perf_counter()
            for number in trial.step(chosen, rng).values():
                number.item()  # waits for a GPU
            seconds.append(time.perf_counter() - began)
        return min(seconds)

    def draw(self, epoch: int, images: Any = None, *, columns: int | None = None) -> None:
        """The epoch's grid, of images in the model's range, and the curves up to now.

        Without images, of samples: always from the same noise.
        """
        if images is None:
            images, columns = self.model.grid(self.generator(1))
        self.save_grid(images, self.run.grid_path(epoch), columns=columns)
        plots.save(plots.curves(self.run.read_metrics(), self.model.panels), self.run.curves)

    def save_grid(self, images: Any, path: Path, **arrangement: Any) -> None:
        """A picture of images in the model's range, arranged as `plots.grid` says."""
        plots.save(plots.grid(self.pixels(images), **arrangement), path)

    def pixels(self, images: Any) -> np.ndarray[Any, Any]:
        """Images in the model's range as uint8."""
        return data.unscale(images, *self.model.RANGE)

    def scaled(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """uint8 images in the model's range."""
        return data.scale(images, *self.model.RANGE)

    def load(self, split: str) -> data.Dataset:
        """A split of what the run learns from: see `data.load`."""
        return load_split(vars(self.options), split)

    def generator(self, stream: int) -> np.random.Generator:
        """Random numbers beside those of training, the same whenever they are asked for."""
        return np.random.default_rng([self.options.seed, stream])


def prepare(
    p: Parser,
    argv: list[str] | None = None,
    *,
    model: Callable[[Options], str] | None = None,
    free: Sequence[str] = (),
) -> Training:
    """What the flags ask for, ready to train; see `parse` for the arguments.

    All that can be wrong is told, by UsageError, DeviceError or OSError, before a run folder is
    made.
    """
    options, dataset, built, rng = build(p, argv, model=model, free=free)
    return Training(options, dataset, built, _start(options, dataset), rng)


def build(
    p: Parser,
    argv: list[str] | None = None,
    *,
    model: Callable[[Options], str] | None = None,
    free: Sequence[str] = (),
) -> tuple[Options, data.Dataset, Model, np.random.Generator]:
    """What `prepare` trains, with the random numbers as they are then; no run folder is made."""
    options, config = parse(p, argv, model=model, free=free)
    dataset = load_split(vars(options), "train")
    rng = np.random.default_rng(options.seed)
    height, width, channels = dataset.images.shape[1:]
    setup = Setup((height, width, channels), len(dataset.classes), options.device)
    built: Model = models.named(options.model).build(config, setup, rng)
    _check_batch(built, options, dataset)
    return options, dataset, built, rng


def _check_batch(model: Model, options: Options, dataset: data.Dataset) -> None:
    images = options.batch * model.batches
    if images > len(dataset):
        times = f" times {model.batches}, which a step takes," if model.batches > 1 else ""
        raise UsageError(f"wanted a batch{times} of at most {len(dataset)} images, got {images}")
    norms = [m for n in model.networks().values() for m in n.modules() if isinstance(m, BatchNorm)]
    if norms and options.batch < 2:
        raise UsageError("--batch 1: batch norm, in these networks, wants 2 or more images a step")


def _start(options: Options, dataset: data.Dataset) -> Run:
    """The run folder of these options: opened with --resume, else created.

    config.json gets the flags, the data found and its images' (H, W, C): what builds it again.
    Raises UsageError on resuming with other images than the run began with (as when --data auto
    found MNIST then, and not now) or for fewer epochs than it has finished.
    """
    own = {k: v for k, v in vars(options).items() if k not in ("out", "resume")}
    images = described(dataset)
    own["classes"] = len(dataset.classes)
    if not options.resume:
        return Run.create(options.out, {"tinygen": __version__, **images, **own})
    run = Run.open(options.out)
    began = {name: run.config.get(name) for name in images}
    if began != images:
        raise UsageError(f"--resume: {run.folder} began with {began}, this would be {images}")
    if run.checkpoint.exists() and (done := read_position(run.checkpoint).epoch) > options.epochs:
        raise UsageError(f"--epochs {options.epochs}: {run.folder} has finished {done} already")
    run.config.update(own)
    write_json(run.folder / "config.json", run.config)
    return run


def load_split(options: Mapping[str, Any], split: str, source: str | None = None) -> data.Dataset:
    """A split of the images that these options ask for. source: where they lie now, if they have
    moved. Raises DataError."""
    dataset = data.load(source or str(options.get("data")), split)
    return dataset.only(options.get("only")).resized(options.get("size"))


def described(dataset: data.Dataset) -> dict[str, Any]:
    """What config.json says of the images that a run learns from."""
    shape = list(dataset.images.shape[1:])
    return {"images": dataset.name, "count": len(dataset), "shape": shape}


def load_model(folder: str | Path) -> tuple[Run, Model]:
    """A run, and its model on the CPU with the weights of its checkpoint.

    Raises FileNotFoundError or FileError if the folder holds none, or one that does not fit.
    """
    run = Run.open(folder)
    stored = run.config
    name = stored.get("model")
    if stored.get("lipschitz") == "clip":
        name = "wgan"  # which earlier versions stored as a wgan_gp of this kind
    if name not in models.MODELS:
        raise FileError(f"{run.folder}: no model that can be sampled: {name!r}")
    module = models.MODELS[name]
    try:
        setup = Setup(tuple(stored["shape"]), stored.get("classes", 0))
        model: Model = module.build(module.Config.of(stored), setup, np.random.default_rng(0))
    except (KeyError, TypeError, ValueError) as error:
        where = run.folder / "config.json"
        raise FileError(f"{where}: cannot build the model: {error}") from None
    load_parts(run.checkpoint, load(run.checkpoint), model.weights())
    return run, model
