"""What is said of a density: the images, a mean with its error, completed digits."""

import numpy as np
import pytest
import scipy.stats

from tinygen import data, models, report, train
from tinygen.report import density


def training(small_run, name="made"):
    """The run of a model that has ended, opened again."""
    p = train.parser("", models.MODELS[name], out="", epochs=2, batch=50)
    return train.prepare(p, ["--out", str(small_run(name)), "--resume"])


def test_the_error_of_a_mean_is_the_standard_one():
    values = np.random.default_rng(0).standard_normal(50)
    mean, error = density.mean_and_error(values)
    assert mean == pytest.approx(values.mean(), rel=1e-12)
    assert error == pytest.approx(scipy.stats.sem(values), rel=1e-12)
    assert np.isnan(density.mean_and_error(values[:1])[1])


def test_the_images_are_the_test_splits_binarised_once(small_run):
    run = training(small_run)
    x, images = report.binarised_test(run), run.load("test").images
    assert x.shape == images.shape and set(np.unique(x)) == {0.0, 1.0}
    assert (x == data.binarise(images, run.generator(3))).all()
    assert (x[images == 255] == 1).all() and (x[images == 0] == 0).all()


def test_upper_halves_are_kept_and_lower_ones_drawn_in_several_ways(small_run, monkeypatch):
    run, shown = training(small_run), []
    monkeypatch.setattr(run, "save_grid", lambda x, path, columns: shown.append((x, columns)))
    x = report.binarised_test(run)[:3]
    report.draw_completions(run, x)
    ((pictures, columns),) = shown
    real, halves, *ways = pictures.reshape(2 + density.WAYS, columns, *x.shape[1:])
    half = x.shape[1] // 2
    assert columns == 3 and (real == x).all()
    assert (halves[:, :half] == x[:, :half]).all() and (halves[:, half:] == 0.5).all()
    for way in ways:
        assert (way[:, :half] == x[:, :half]).all() and set(np.unique(way)) == {0.0, 1.0}
        assert (way[:, half:] != x[:, half:]).any()
    assert (ways[0] != ways[1]).any()
