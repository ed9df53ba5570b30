"""The examples in the test's own process, and small images for them to learn from."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tinygen import data

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    """What examples/name.py defines."""
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / f"{name}.py")))


def run(monkeypatch, found, *argv):
    """Runs the example's main as if these words had been typed behind its name."""
    monkeypatch.setattr(sys, "argv", ["example", *map(str, argv)])
    found.main()


def small_digits(path, count, side):
    """Leaves at path, an .npz, so many of the strokes, cut to their middle side × side pixels."""
    drawn, edge = data.load("strokes", "test"), (28 - side) // 2
    middle = slice(edge, edge + side)
    images, labels = drawn.images[:count, middle, middle], drawn.labels[:count]
    np.savez(path, images=images, labels=labels)
    return path
