"""The share of each class among a model's samples, epoch after epoch.

A generator that has collapsed draws one picture, or one kind, whatever the noise. Its losses do not
tell; the histogram of its samples' classes does.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .. import plots
from ..data import Dataset
from ..errors import FileError
from ..nn import Sequential
from ..train import Run, Training
from ..weights import load, read_json, save, write_json
from .classifier import judge, network, train_classifier
from .reference import has_reference, reference

COLLAPSED = 0.9  # of the samples in one class


def run_classifier(run: Run, dataset: Dataset) -> Sequential:
    """A classifier of the run's own images.

    The reference classifier, where the package has one. Else classifier.safetensors, trained first
    if there is none. Raises FileError if the file is not of these images.
    """
    if has_reference(dataset):
        return reference(dataset.name)
    path = run.folder / "classifier.safetensors"
    if not path.exists():
        net = train_classifier(dataset)
        save(path, net.state_dict())
        return net
    net = network(dataset.images.shape[1:], len(dataset.classes), np.random.default_rng(0))
    try:
        net.load_state_dict(load(path))
    except ValueError as error:
        raise FileError(f"{path}: wanted the run's classifier: {error}") from None
    return net


class ClassHistogram:
    """Leaves three files in the run folder, and finds them again when the run is resumed:

    classifier.safetensors   what judges, unless it is a reference classifier: trained here first
    classes.json             epoch -> the share of each class
    classes.png              the same as bars over the epochs
    """

    def __init__(self, run: Run, dataset: Dataset):
        self.run, self.classes = run, dataset.classes
        self.net = run_classifier(run, dataset)
        self.path = run.folder / "classes.json"
        self.shares: dict[int, list[float]] = _read(self.path)

    def watch(self, training: Training, epoch: int) -> None:
        """Judges 1,000 samples of the epoch, always of the same noise; an alarm goes to stderr."""
        from tqdm.auto import tqdm

        samples = training.model.sample(1000, training.generator(2))
        if alarm := self.add(epoch, training.pixels(samples)):
            tqdm.write(alarm, file=sys.stderr)

    def add(self, epoch: int, pictures: np.ndarray[Any, Any]) -> str | None:
        """Judges the epoch's samples, uint8 (N, H, W, C). Returns the alarm, if there is one."""
        shares = judge(self.net, pictures).shares
        self.shares = {e: s for e, s in self.shares.items() if e < epoch} | {epoch: shares.tolist()}
        write_json(self.path, self.shares)
        plots.save(plots.shares(self.shares, self.classes), self.run.folder / "classes.png")
        top = int(shares.argmax())
        if shares[top] < COLLAPSED:
            return None
        return f"epoch {epoch}: collapsed: {shares[top]:.0%} of the samples are {self.classes[top]}"


def _read(path: Any) -> dict[int, list[float]]:
    if not path.exists():
        return {}
    found = read_json(path)
    try:
        return {int(e): list(map(float, s)) for e, s in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise FileError(f"{path}: wanted epochs and shares: {error}") from None
