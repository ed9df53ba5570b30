"""The classifier that judges samples: right on real digits, and not fooled by a collapse."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from judge import judge_run

from tinygen import data, train
from tinygen.data import Dataset, strokes
from tinygen.errors import FileError, UsageError
from tinygen.scores import ClassHistogram, judge, probabilities, train_classifier

REPOSITORY = Path(__file__).parents[2]


DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def net():
    return train_classifier(
        Dataset(*strokes.draw(10_000, seed=0), DIGITS, "strokes"), epochs=1, quiet=True
    )


def test_it_reads_digits(net):
    test = data.load("strokes", "test")
    right = probabilities(net, test.images).argmax(1) == test.labels
    assert right.mean() > 0.93
    verdict = judge(net, test.images)
    assert verdict.shares.min() > 0.05 and verdict.confidence > 0.9


def test_the_order_of_the_examples_does_not_matter():
    images, labels = strokes.draw(10_000, seed=0)
    order = np.argsort(labels, kind="stable")
    by_class = Dataset(images[order], labels[order], DIGITS, "strokes")
    net, test = train_classifier(by_class, epochs=1, quiet=True), data.load("strokes", "test")
    assert (probabilities(net, test.images).argmax(1) == test.labels).mean() > 0.9


def test_it_sees_a_collapse_and_noise(net):
    test = data.load("strokes", "test")
    ones = test.images[test.labels == 1]
    assert judge(net, ones).shares[1] > 0.9
    mud = np.clip(test.images.mean(0) + np.zeros((50, 1, 1, 1)), 0, 255).astype(np.uint8)
    assert judge(net, mud).shares.max() == 1


def test_the_histogram_sounds_the_alarm_and_is_kept(tmp_path):
    drawn = strokes.draw(3000, seed=0)
    few = Dataset(*drawn, DIGITS, "strokes")
    run = train.Run.create(tmp_path / "run", {})
    first = ClassHistogram(run, few)
    assert first.add(1, few.images[:500]) is None
    alarm = first.add(2, few.images[few.labels == 7])
    assert re.fullmatch(r"epoch 2: collapsed: \d+% of the samples are 7", alarm)
    again = ClassHistogram(run, few)  # as after --resume
    assert again.shares == first.shares and list(again.shares) == [1, 2]
    assert np.isclose(sum(again.shares[1]), 1)
    for name, p in again.net.named_parameters().items():
        np.testing.assert_array_equal(p.numpy(), first.net.named_parameters()[name].numpy())
    again.add(2, few.images[:500])  # an epoch made again takes the place of the lost one
    assert max(again.shares[2]) < 0.9
    again.add(1, few.images[:500])  # a run that went back an epoch has no later one
    assert list(again.shares) == [1]
    most = np.concatenate([few.images[few.labels == 7][:160], few.images[few.labels != 7][:40]])
    assert again.add(2, most) is None and again.shares[2][7] > 0.7  # one digit too often, yet all
    assert (run.folder / "classes.png").stat().st_size > 5_000
    again.path.write_text("[1]")
    with pytest.raises(FileError, match=r"classes\.json: wanted epochs and shares"):
        ClassHistogram(run, few)


def test_what_cannot_be_told_apart_is_refused():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    with pytest.raises(UsageError, match="wanted images of two classes or more, got 1"):
        train_classifier(Dataset(images, np.zeros(4, np.int64), ("all",), "mine"))
    odd = Dataset(np.zeros((4, 9, 8, 1), np.uint8), np.arange(4) % 2, ("a", "b"), "mine")
    with pytest.raises(UsageError, match="divisible by 4, got 9×8"):
        train_classifier(odd)


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
