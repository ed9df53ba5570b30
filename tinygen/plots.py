"""Floor 5: pictures. Each function returns a matplotlib Figure (a notebook shows it); `save`
writes it as PNG, aside first. No global state: pyplot is not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .weights import write_aside

LINES = ("#2a6fbb", "#d1495b", "#3a9d6e", "#8a5fb5", "#c98a1b", "#555555")  # distinct in print


def save(figure: Figure, path: str | Path, *, dpi: int = 100) -> None:
    """Writes the figure as a PNG: whole or not at all."""
    write_aside(path, lambda p: figure.savefig(p, format="png", dpi=dpi))


def grid(images: Any, *, columns: int | None = None, zoom: int = 2, gap: int = 2) -> Figure:
    """Images (N, H, W, C) uint8, row by row, in a nearly square grid, each pixel zoom×zoom."""
    tiles = _tiles(np.asarray(images), columns, gap).repeat(zoom, axis=0).repeat(zoom, axis=1)
    h, w = tiles.shape[:2]
    figure = Figure(figsize=(w / 100, h / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(tiles, interpolation="nearest")
    axes.set_axis_off()
    return figure


def _tiles(images: np.ndarray[Any, Any], columns: int | None, gap: int) -> np.ndarray[Any, Any]:
    """One (height, width, 3) picture of all images, on a mid-grey ground."""
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype != np.uint8:
        raise ValueError(
            f"grid: wanted uint8 images (N, H, W, 1 or 3), got {images.dtype} {images.shape}"
        )
    n, h, w, _ = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 128, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = image
    return sheet


def animate(
    images: Any,
    path: str | Path,
    *,
    columns: int | None = None,
    zoom: int = 2,
    gap: int = 2,
    milliseconds: int = 80,
) -> None:
    """Writes images (frames, N, H, W, C) uint8 as a GIF that begins anew at its end: whole or not
    at all. Each frame, shown for so long, is the grid of its N images."""
    from PIL import Image

    sheets = [
        Image.fromarray(_tiles(frame, columns, gap).repeat(zoom, axis=0).repeat(zoom, axis=1))
        for frame in np.asarray(images)
    ]
    how: dict[str, Any] = {"format": "GIF", "append_images": sheets[1:], "save_all": True}
    write_aside(path, lambda p: sheets[0].save(p, duration=milliseconds, loop=0, **how))


def class_colour(i: int, classes: Sequence[str]) -> Any:
    """The colour of the i-th of the classes: of ten, or of twenty, which begin anew."""
    from matplotlib import colormaps

    return colormaps["tab10" if len(classes) <= 10 else "tab20"](i % 20)


def scatter(
    points: Any, labels: Any, classes: Sequence[str], *, axes: tuple[str, str] = ("", "")
) -> Figure:
    """Points (N, 2) in the colour of their class: labels (N,) index `classes`."""
    points, labels = np.asarray(points), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1]:
        raise ValueError(f"scatter: wanted (N, 2) and (N,), got {points.shape} and {labels.shape}")
    figure = Figure(figsize=(7, 6), layout="constrained")
    plane = figure.subplots()
    for i, name in enumerate(classes):
        (x, y), colour = points[labels == i].T, class_colour(i, classes)
        plane.scatter(x, y, s=4, alpha=0.6, color=colour, label=name, linewidths=0)
    plane.set_xlabel(axes[0])
    plane.set_ylabel(axes[1])
    plane.set_aspect("equal", adjustable="datalim")
    plane.legend(markerscale=4, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def shares(
    history: Mapping[Any, Sequence[float]], classes: Sequence[str], *, axis: str = "epoch"
) -> Figure:
    """Stacked bars, one an epoch: history maps it to the share of each of the classes.

    axis: what the bars are of, if not of epochs; then history's keys are their names.
    """
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    table = np.asarray(list(history.values())).reshape(-1, len(classes))
    named = axis != "epoch"
    places = list(range(len(history)) if named else history)
    below = np.zeros(len(places))
    for i, name in enumerate(classes):
        colour = class_colour(i, classes)
        axes.bar(places, table[:, i], bottom=below, width=0.9, color=colour, label=name)
        below += table[:, i]
    if named:
        axes.set_xticks(places, list(history), rotation=90)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(axis)
    axes.set_ylabel("share of the samples")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
    return figure


def bars(names: Sequence[str], values: Mapping[str, Sequence[float]]) -> Figure:
    """A row for each of the names; side by side a panel of bars for each of the values' titles."""
    figure = Figure(figsize=(1.5 + 4 * len(values), 1 + 0.35 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(values), squeeze=False, sharey=True)[0]
    for axes, (title, numbers), colour in zip(panels, values.items(), LINES, strict=False):
        axes.barh(list(names), numbers, color=colour)
        for i, number in enumerate(numbers):
            axes.text(number, i, f" {number:.2f}", va="center")
        axes.set_xlim(0, 1.15 * max([*numbers, 1e-9]))
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return figure


def clouds(points: Mapping[str, Any], *, axes: tuple[str, str] = ("", "")) -> Figure:
    """Clouds of points (N, 2) side by side, each under its title, on the same axes."""
    figure = Figure(figsize=(5 * len(points), 5), layout="constrained")
    planes = figure.subplots(1, len(points), squeeze=False, sharex=True, sharey=True)[0]
    for plane, (title, cloud) in zip(planes, points.items(), strict=True):
        if np.ndim(cloud) != 2 or np.shape(cloud)[1] != 2:
            raise ValueError(f"clouds: {title}: wanted (N, 2), got {np.shape(cloud)}")
        plane.scatter(*np.asarray(cloud).T, s=2, alpha=0.5, color=LINES[0], linewidths=0)
        plane.set_title(title)
        plane.set_xlabel(axes[0])
        plane.set_ylabel(axes[1])
        plane.set_aspect("equal", adjustable="box")
    return figure


def arrows(panels: Mapping[str, tuple[Any, Any]], *, behind: Any) -> Figure:
    """Arrows in the plane, panels side by side on the same axes: title -> (where each begins, where
    it goes from there), (N, 2) each. behind: points (M, 2) drawn under all of them."""
    figure = Figure(figsize=(5 * len(panels), 5), layout="constrained")
    planes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    for plane, (title, (begin, way)) in zip(planes, panels.items(), strict=True):
        if np.ndim(begin) != 2 or np.shape(begin) != np.shape(way) or np.shape(way)[1] != 2:
            shapes = f"{np.shape(begin)} and {np.shape(way)}"
            raise ValueError(f"arrows: {title}: wanted (N, 2) and (N, 2), got {shapes}")
        plane.scatter(*np.asarray(behind).T, s=3, color=LINES[1], linewidths=0)
        how: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003}
        plane.quiver(*np.asarray(begin).T, *np.asarray(way).T, color=LINES[0], **how)
        plane.set_title(title)
        plane.set_aspect("equal", adjustable="box")
    return figure


def journeys(runs: Mapping[str, Mapping[int, Any]], real: Any) -> Figure:
    """Where clouds of points (N, 2) are over time: a row for each title, in it a panel for each
    step, which are the same for all, and at its end the real points (N, 2). These stand in grey
    behind the others, too."""
    columns = 1 + len(next(iter(runs.values())))
    figure = Figure(figsize=(1.5 * columns, 1.5 * len(runs) + 0.3), layout="constrained")
    planes = figure.subplots(len(runs), columns, squeeze=False, sharex=True, sharey=True)
    for k, (title, run) in enumerate(runs.items()):
        panels = {**{f"step {step:,}": cloud for step, cloud in run.items()}, "real": real}
        for plane, (name, cloud) in zip(planes[k], panels.items(), strict=True):
            if np.ndim(cloud) != 2 or np.shape(cloud)[1] != 2:
                raise ValueError(f"journeys: {title}: wanted (N, 2), got {np.shape(cloud)}")
            colour = LINES[0] if cloud is not real else LINES[5]
            plane.scatter(*np.asarray(real).T, s=20, color="#cccccc", linewidths=0)
            plane.scatter(*np.asarray(cloud).T, s=3, alpha=0.4, color=colour, linewidths=0)
            plane.set_title("" if k else name, fontsize="small")
            plane.set_aspect("equal", adjustable="box")
            plane.set_xticks([])
            plane.set_yticks([])
        planes[k, 0].set_ylabel(title)
    low, high = np.min(real), np.max(real)
    planes[0, 0].set_xlim(1.4 * low, 1.4 * high)
    planes[0, 0].set_ylim(1.4 * low, 1.4 * high)
    return figure


def embeddings(
    panels: Mapping[str, tuple[Any, Any]], classes: Sequence[str], *, columns: int, shared: int = 1
) -> Figure:
    """Points in rows of so many panels: title -> (points (N, 2), the index of each one's class or
    -1, which is grey).

    The first panels of each row, `shared` of them, have the same axes. These have no numbers: an
    embedding's mean nothing.
    """
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns + 1.5, 4 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for k, (title, (points, labels)) in enumerate(panels.items()):
        axes, column = places[k], k % columns
        if 0 < column < shared:
            axes.sharex(places[k - column])
            axes.sharey(places[k - column])
        points, labels = np.asarray(points), np.asarray(labels)
        how: dict[str, Any] = {"s": 5, "alpha": 0.7, "linewidths": 0}
        axes.scatter(*points[labels < 0].T, color="#777777", **how)
        for i, name in enumerate(classes):
            axes.scatter(*points[labels == i].T, color=class_colour(i, classes), label=name, **how)
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
    handles, names = places[0].get_legend_handles_labels()
    figure.legend(handles, names, markerscale=4, frameon=False, loc="outside right center")
    return figure


def panels(pictures: Mapping[str, str | Path], *, columns: int | None = None) -> Figure:
    """PNG files, each under its title: in one row, or in rows of so many columns."""
    from matplotlib.image import imread

    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(4.4 * columns, 4.7 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    for place, (title, path) in zip(places, pictures.items(), strict=False):
        place.imshow(imread(path))
        place.set_title(title)
    return figure


def curves(
    metrics: Mapping[str, Sequence[float]], groups: Sequence[tuple[str, Sequence[str]]]
) -> Figure:
    """Metrics over steps: a panel for each (axis label, names of columns).

    metrics holds columns, "step" among them; noisy ones are drawn pale, their running mean strong.
    """
    figure = Figure(figsize=(6 * len(groups), 4), layout="constrained")
    steps = np.asarray(metrics.get("step", ()))
    for axes, (label, names) in zip(
        figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
    ):
        for name, colour in zip(names, LINES, strict=False):
            values = np.asarray(metrics.get(name, ()))
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(steps, _running_mean(values), color=colour, linewidth=1.8, label=name)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def progress(
    runs: Mapping[str, tuple[Sequence[float], Any]],
    panels: Sequence[str],
    *,
    axis: str,
    logarithmic: Sequence[str] = (),
    wide: Sequence[str] = (),
) -> Figure:
    """How several runs get on: a panel for each name, in it a line for each run.

    runs: title -> (positions (n,) along `axis`, values (repeats, n, panels)). A line is the mean
    over the repeats, and its band a standard deviation to both sides, if there are several.
    wide: runs that are drawn wide and pale, so that a line upon them hides none.
    """
    figure = Figure(figsize=(5.5 * len(panels) + 1.5, 4.5), layout="constrained")
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for i, (axes, panel) in enumerate(zip(places, panels, strict=True)):
        for k, (title, (x, values)) in enumerate(runs.items()):
            y, colour = np.asarray(values)[:, :, i], class_colour(k, list(runs))
            mean, sd = y.mean(0), y.std(0, ddof=1) if len(y) > 1 else 0.0
            how = {"linewidth": 7, "alpha": 0.4} if title in wide else {"markersize": 3}
            axes.plot(x, mean, color=colour, label=title, marker="o", **how)
            axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
        axes.set_xlabel(axis)
        axes.set_title(panel, fontsize="small")
        axes.grid(alpha=0.3)
        if panel in logarithmic:
            axes.set_yscale("log")
    places[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _running_mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The mean over a window of a fiftieth of the curve, centred; shorter at both ends."""
    if not len(values):
        return values
    half = len(values) // 100
    total = np.concatenate([[0.0], np.cumsum(values)])
    lo = np.maximum(np.arange(len(values)) - half, 0)
    hi = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (total[hi] - total[lo]) / (hi - lo)
