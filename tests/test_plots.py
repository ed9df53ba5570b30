"""Pictures are Figures, drawn without pyplot, and saved whole."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from tinygen import plots


def test_grid_shows_every_pixel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 1), dtype=np.uint8)
    figure = plots.grid(images, columns=3, zoom=2, gap=1)
    assert isinstance(figure, Figure)
    plots.save(figure, tmp_path / "grid.png")
    seen = (imread(tmp_path / "grid.png")[:, :, :3] * 255).round().astype(int)
    assert seen.shape == (2 * (2 * 5 + 1), 2 * (3 * 7 + 1), 3)
    for i, image in enumerate(images):
        top, left = 2 * (1 + i // 3 * 5), 2 * (1 + i % 3 * 7)
        tile = seen[top : top + 8 : 2, left : left + 12 : 2]
        np.testing.assert_array_equal(tile, np.repeat(image, 3, axis=2))
    assert (seen[-2, -2] == 128).all()  # the empty sixth place
    assert "matplotlib.pyplot" not in sys.modules


def test_grid_refuses_floats():
    with pytest.raises(
        ValueError, match=r"uint8 images \(N, H, W, 1 or 3\), got float64 \(2, 3, 3, 1\)"
    ):
        plots.grid(np.zeros((2, 3, 3, 1)))


def test_curves_hold_values_and_running_mean():
    values = np.arange(200.0) % 2
    figure = plots.curves({"step": list(range(200)), "a": values}, [("loss", ("a",))])
    (axes,) = figure.axes
    raw, smooth = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(raw, values)
    assert smooth[0] == values[:3].mean() and smooth[100] == values[98:103].mean()
    assert axes.get_ylabel() == "loss" and axes.get_legend() is not None


def test_scatter_gives_each_class_its_points():
    points, labels = np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 0])
    (plane,) = plots.scatter(points, labels, ("a", "b"), axes=("x", "y")).axes
    a, b = (c.get_offsets() for c in plane.collections)
    np.testing.assert_array_equal(a, points[[0, 3]])
    np.testing.assert_array_equal(b, points[[1, 2]])
    assert [t.get_text() for t in plane.get_legend().get_texts()] == ["a", "b"]
    with pytest.raises(ValueError, match=r"wanted \(N, 2\) and \(N,\), got \(4, 3\) and \(4,\)"):
        plots.scatter(np.zeros((4, 3)), labels, ("a", "b"))


def test_clouds_lie_side_by_side_on_the_same_axes():
    points = {"a": np.arange(8.0).reshape(4, 2), "b": -np.ones((2, 2))}
    first, second = plots.clouds(points, axes=("x", "y")).axes
    assert [first.get_title(), second.get_title(), first.get_xlabel()] == ["a", "b", "x"]
    for plane, cloud in zip((first, second), points.values(), strict=True):
        np.testing.assert_array_equal(plane.collections[0].get_offsets(), cloud)
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim()
    with pytest.raises(ValueError, match=r"clouds: b: wanted \(N, 2\), got \(4, 3\)"):
        plots.clouds({"a": np.zeros((4, 2)), "b": np.zeros((4, 3))})


def test_panels_show_files_under_their_titles(tmp_path):
    picture = tmp_path / "grid.png"
    plots.save(plots.grid(np.zeros((4, 4, 4, 1), np.uint8)), picture)
    figure = plots.panels({"first": picture, "second": picture})
    assert [a.get_title() for a in figure.axes] == ["first", "second"]


def test_curves_of_nothing_is_an_empty_panel(tmp_path):
    plots.save(plots.curves({}, [("loss", ("a",))]), tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 0


def test_shares_are_stacked_to_one():
    (axes,) = plots.shares({1: [0.5, 0.5], 2: [0.9, 0.1]}, ("a", "b")).axes
    heights = [[bar.get_height() for bar in group] for group in axes.containers]
    np.testing.assert_allclose(heights, [[0.5, 0.9], [0.5, 0.1]])
    np.testing.assert_allclose([bar.get_y() for bar in axes.containers[1]], [0.5, 0.9])


def test_shares_of_runs_have_their_names():
    (axes,) = plots.shares({"real": [0.5, 0.5], "b": [0.9, 0.1]}, ("x", "y"), axis="run").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["real", "b"]
    assert axes.get_xlabel() == "run" and len(axes.containers[0]) == 2


def test_bars_are_as_long_as_their_numbers():
    figure = plots.bars(["a", "b"], {"accuracy": [0.25, 1.0], "seconds": [0.0, 0.0]})
    first, second = figure.axes
    assert [bar.get_width() for bar in first.patches] == [0.25, 1.0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
    assert [text.get_text().strip() for text in first.texts] == ["0.25", "1.00"]
    assert second.get_title() == "seconds" and second.get_xlim()[1] > 0


def test_progress_draws_means_and_their_spread():
    values = np.array([[[1.0, 10.0], [3.0, 30.0]], [[3.0, 10.0], [5.0, 30.0]]])  # 2 seeds, 2 times
    figure = plots.progress({"a": ([1, 2], values)}, ("x", "y"), axis="t", logarithmic=("y",))
    first, second = figure.axes
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [2, 4])
    band = first.collections[0].get_paths()[0].vertices[:, 1]
    sd = np.sqrt(2)  # of 1 and 3, with the mean unknown
    assert (band.min(), band.max()) == pytest.approx((2 - sd, 4 + sd)) and first.get_xlabel() == "t"
    assert (first.get_yscale(), second.get_yscale()) == ("linear", "log")
    assert [first.get_title(), second.get_title()] == ["x", "y"]


def test_journeys_have_a_row_a_run_and_the_real_points_at_its_end():
    real = np.array([[-1.0, 2.0], [1.0, -2.0]])
    runs = {"a": {1: real + 5, 20: real}, "b": {1: real, 20: 0 * real}}
    figure = plots.journeys(runs, real)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["step 1", "step 20", "real", "", "", ""]
    assert [figure.axes[i].get_ylabel() for i in (0, 3)] == ["a", "b"]
    behind, points = figure.axes[0].collections
    np.testing.assert_array_equal(behind.get_offsets(), real)
    np.testing.assert_array_equal(points.get_offsets(), real + 5)
    assert {axes.get_xlim() for axes in figure.axes} == {(-2.8, 2.8)}
    with pytest.raises(ValueError, match=r"journeys: a: wanted \(N, 2\), got \(3,\)"):
        plots.journeys({"a": {1: np.zeros(3)}}, real)


def test_embeddings_give_each_panel_its_points_and_the_first_ones_the_same_axes():
    points, labels = np.arange(6.0).reshape(3, 2), np.array([0, 1, -1])
    panels = {"a": (points, labels), "b": (10 * points, labels), "c": (points, labels)}
    a, b, c = plots.embeddings(panels, ("x", "y"), columns=3, shared=2).axes
    assert [axes.get_title() for axes in (a, b, c)] == ["a", "b", "c"]
    assert a.get_xlim() == b.get_xlim() != c.get_xlim()
    grey, first, second = (scatter.get_offsets() for scatter in b.collections)
    np.testing.assert_array_equal([*grey, *first, *second], 10 * points[[2, 0, 1]])


def test_arrows_begin_and_end_where_they_are_told():
    begin, way, behind = np.arange(6.0).reshape(3, 2), np.ones((3, 2)), np.zeros((4, 2))
    one, two = plots.arrows({"a": (begin, way), "b": (begin, -way)}, behind=behind).axes
    assert (one.get_title(), two.get_title()) == ("a", "b")
    curve, arrows = one.collections
    np.testing.assert_array_equal(curve.get_offsets(), behind)
    np.testing.assert_array_equal(arrows.get_offsets(), begin)
    np.testing.assert_array_equal([arrows.U, arrows.V], way.T)
    with pytest.raises(ValueError, match=r"arrows: a: wanted \(N, 2\).*got \(3, 2\) and \(2, 2\)"):
        plots.arrows({"a": (begin, way[:2])}, behind=behind)


def test_a_line_upon_a_wide_one_hides_it_not():
    runs = {"a": ([1, 2], [[[3], [4]]]), "b": ([1, 2], [[[3], [4]]])}
    (axes,) = plots.progress(runs, ["error"], axis="d", wide=["a"]).axes
    a, b = axes.lines
    assert a.get_linewidth() > 3 * b.get_linewidth()


def test_an_animation_has_its_frames_and_begins_anew(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 6, 1), np.uint8)
    path = tmp_path / "walk.gif"
    plots.animate(images, path, columns=2, zoom=3, gap=1, milliseconds=50)
    with Image.open(path) as film:
        assert (film.n_frames, film.info["duration"], film.info["loop"]) == (5, 50, 0)
        assert film.size == (3 * (2 * 7 + 1), 3 * (2 * 4 + 1))
        film.seek(3)
        grey = np.asarray(film.convert("L"))[::3, ::3]
    np.testing.assert_allclose(grey[1:4, 8:14], images[3, 1, ..., 0], atol=2)
    with pytest.raises(ValueError, match="wanted uint8 images"):
        plots.animate(images.astype(float), path)
    assert [p.name for p in tmp_path.iterdir()] == ["walk.gif"]
