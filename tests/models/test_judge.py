"""The classifier that judges samples: right on real digits, and not fooled by a collapse."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from judge import classifier, judge, judge_run, probabilities

from tinygen import data
from tinygen.data import strokes

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def net():
    return classifier(*strokes.draw(10_000, seed=0), epochs=1)


def test_it_reads_digits(net):
    test = data.load("strokes", "test")
    right = probabilities(net, test.images).argmax(1) == test.labels
    assert right.mean() > 0.93
    verdict = judge(net, test.images)
    assert verdict.shares.min() > 0.05 and verdict.confidence > 0.9


def test_it_sees_a_collapse_and_noise(net):
    test = data.load("strokes", "test")
    ones = test.images[test.labels == 1]
    assert judge(net, ones).shares[1] > 0.9
    mud = np.clip(test.images.mean(0) + np.zeros((50, 1, 1, 1)), 0, 255).astype(np.uint8)
    assert judge(net, mud).shares.max() == 1


@pytest.mark.slow
def test_the_default_run_draws_all_ten_digits(tmp_path):
    """examples/gan_mnist.py as a new user runs it: 10 minutes on two cores."""
    if "TINYGEN_DATA" not in os.environ:
        pytest.skip("TINYGEN_DATA is not set to a folder that holds MNIST")
    command = [sys.executable, str(REPOSITORY / "examples/gan_mnist.py"), "--out", tmp_path / "run"]
    subprocess.run([*command, "--data", "mnist"], check=True)
    verdict = judge_run(tmp_path / "run")
    assert verdict.shares.min() >= 0.02, verdict
    assert verdict.confidence >= 0.9, verdict
