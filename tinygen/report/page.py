"""report.html: an evaluation as one page that needs no network, and no scripts to be read.

What can be played with, the samples over time and the latent explorer, is there without scripts,
too: all pictures in a row, a sentence.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plots
from ..errors import UsageError
from ..scores.evaluator import CLASSIFIABLE
from ..train.checkpoint import read_position
from .embedding import encoded
from .explorer import section

if TYPE_CHECKING:
    from .evaluation import Evaluation

STYLE, SCRIPT = (Path(__file__).with_name(f"page.{kind}") for kind in ("css", "js"))
GRIDS = 24  # epochs whose grids are shown: the first, the last, and others between them
SHOWN = 12  # samples beside their nearest training images
POINTS = 2000  # codes behind the explorer's plane
PICTURES = {  # that examples leave in their run folders: what is on them
    "latent.png": "Where the encoder puts held-out images, coloured by class",
    "planes.png": "What the decoder draws over its latent plane, for two classes",
    "plane.png": "What the decoder draws over its latent plane",
    "interpolation.png": "From image to image along lines between their codes",
    "panels.png": "Reconstructions early and late, beside the originals",
    "prior_posterior.png": "Samples of the prior beside the encoder's codes",
    "roll.png": "The decoder along the swiss roll, from its centre outwards",
    "components.png": "The decoder along each component of the mixture",
    "completions.png": "Test digits, their upper halves, and lower halves that the model draws",
    "receptive.png": "What a pixel's logit depends on, in both networks",
    "levels.png": "Samples as they grow, a column each, from the smallest image down",
    "walk.png": "Along great circles through z, a row a walk",
    "features.png": "What a unit of the code adds to an image, the most used units first",
    "sweep_1.png": "A row a category; along it the code's first number changes",
    "sweep_2.png": "A row a category; along it the code's second number changes",
    "classes.png": "The share of each class among the samples, epoch after epoch",
}
MEANINGS = {  # of scores, by the names that the evaluation has for them
    "inception_score": "Is each sample clearly of one class, and are all classes there? From 1 to "
    "the number of classes (Salimans et al. 2016)",
    "classes_covered": "How many classes the samples have, rare ones left out",
    "least_share": "The share of the class that is drawn least: 0 if one is missing",
    "mode_score": "As the Inception score, and lower the more the samples' classes differ from "
    "real ones",
    "diversity_score": "How far the samples' classes are from real ones; 1 if they are the same",
    "class_balance": "The same between 0 and 1: 1 if the samples have each class as often",
    "chi_square": "How far the counts of the classes are from those expected; about the number of "
    "classes by chance alone",
    "frechet_distance": "How far the samples' features are from real ones, each taken for a "
    "Gaussian; 0 if these are the same (Heusel et al. 2017)",
    "precision": "Do samples look real? The share of them that lies among real images "
    "(Kynkäänniemi et al. 2019)",
    "recall": "Is everything drawn? The share of real images that lies among samples",
    "sliced_wasserstein": "How far the pixels have to be moved, along random directions",
    "nearest": "Much less than for real images: the model repeats what it learned from",
    "label_accuracy": "The share of samples that are of the class asked for, to the classifier",
    "label_influence": "How much an image changes with the label, over how much with z",
    "log_likelihood": "How probable the model finds images that it has not seen",
}
EMBEDDINGS = "PCA and t-SNE of real, generated and latent points, coloured by class"


def html(evaluation: Evaluation) -> str:
    """The whole page."""
    config = evaluation.run.config
    title = f"{config.get('model')} on {evaluation.evaluator.train.name}"
    parts = [
        _samples(evaluation),
        _scores(evaluation),
        _classes(evaluation),
        _over_time(evaluation),
        _curves(evaluation),
        _nearest(evaluation),
        _pictures(evaluation),
        _explorer(evaluation),
        _config(config),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{"".join(part for part in parts if part)}
</main>
<script>
{SCRIPT.read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def _samples(evaluation: Evaluation) -> str:
    """What the model draws in the end."""
    images, day = evaluation.pictures[:64], evaluation.date[:10]
    alt = f"A grid of {len(images)} images drawn by the model"
    figure = _image(plots.grid(images, columns=16), alt)
    note = f"{len(evaluation.pictures):,} were drawn and scored, seed {evaluation.seed}, {day}."
    return _section("samples", "Samples", f"<p>{note}</p><figure>{figure}</figure>")


def _scores(evaluation: Evaluation) -> str:
    rows, real = [], evaluation.real
    for name, score in evaluation.scores.items():
        spread = "" if score.sd is None else f" ± {score.sd:.2f}"
        as_real = _number(real[name].value) if name in real else "–"
        rows.append(
            f"<tr><th scope='row'>{escape(score.name)}<small>{escape(score.depends)}</small></th>"
            f"<td>{_number(score.value)}{spread}</td><td>{as_real}</td>"
            f"<td>{escape(score.best)}</td></tr>"
        )
    head = "".join(f"<th scope='col'>{h}</th>" for h in ("score", "samples", "real", "best"))
    note = (
        "Real: the same score of as many images of the validation split, from which the model has "
        "not learned. A perfect generator would get about that."
    )
    if evaluation.evaluator.net is None:
        note += f" There are no scores by classes: for these, images must {CLASSIFIABLE}."
    elif evaluation.scores["inception_score"].sd is not None:
        note += " The Inception score is the mean ± standard deviation of ten parts of the samples."
    meanings = "".join(
        f"<dt>{escape(score.name)}</dt><dd>{escape(MEANINGS[name])}.</dd>"
        for name, score in evaluation.scores.items()
    )
    more = f"<details><summary>What each score says</summary><dl>{meanings}</dl></details>"
    return _section("scores", "Scores", f"<p>{note}</p>{_table(head, rows)}{more}")


def _classes(evaluation: Evaluation) -> str:
    """The histogram of the samples' classes."""
    if evaluation.shares is None:
        return ""
    evaluator, rows = evaluation.evaluator, []
    top = max(*evaluation.shares, *evaluator.real_shares)
    for name, share, real in zip(
        evaluator.train.classes, evaluation.shares, evaluator.real_shares, strict=True
    ):
        bars = "".join(
            f"<i class='{kind}' style='width: {100 * s / top:.1f}%'></i>"
            for kind, s in (("mine", share), ("real", real))
        )
        rows.append(
            f"<tr><th scope='row'>{escape(name)}</th><td>{share:.1%}</td><td>{real:.1%}</td>"
            f"<td class='bars'>{bars}</td></tr>"
        )
    heads = ("class", "samples", "train split", "")
    head = "".join(f"<th scope='col'>{h}</th>" for h in heads)
    note = (
        "<p><i class='mine'></i> the samples' classes, as the classifier sees them; "
        "<i class='real'></i> the labels of the train split</p>"
    )
    return _section("classes", "Classes", note + _table(head, rows))


def _over_time(evaluation: Evaluation) -> str:
    """Grids of the same noise or of the same images. The script makes a slider of them."""
    paths = sorted(p for p in evaluation.run.samples.glob("epoch_*.png") if _epoch(p).isdigit())
    if not paths:
        return ""
    chosen = sorted({round(i) for i in np.linspace(0, len(paths) - 1, GRIDS)})
    figures = []
    for path in (paths[i] for i in chosen):
        epoch = int(_epoch(path))
        alt = f"The model's images after epoch {epoch}"
        figures.append(
            f"<figure>{_image(path, alt)}<figcaption>after epoch {epoch}</figcaption></figure>"
        )
    strip = f"<div class='strip'>{''.join(figures)}</div>"
    return _section("over-time", "Epoch after epoch", strip)


def _epoch(path: Path) -> str:
    return path.stem.removeprefix("epoch_")


def _curves(evaluation: Evaluation) -> str:
    metrics, panels = evaluation.run.read_metrics(), evaluation.model.panels
    if not metrics or not panels:
        return ""
    ends = [
        f"{name} from {_number(values[0])} to {_number(values[-1])}"
        for name, values in metrics.items()
        if values and name not in ("step", "epoch", "seconds")
    ]
    at = read_position(evaluation.run.checkpoint)
    note = f"<p>{at.step:,} steps in {at.seconds:,.0f} seconds.</p>"
    alt = f"Curves over the steps: {', '.join(ends)}"
    figure = f"<figure>{_image(plots.curves(metrics, panels), alt)}</figure>"
    return _section("curves", "Training", note + figure)


def _nearest(evaluation: Evaluation) -> str:
    """Is it learned by heart? Samples above the training images nearest to them."""
    index, _ = evaluation.neighbours
    n = min(SHOWN, len(index))
    both = np.concatenate([evaluation.pictures[:n], evaluation.evaluator.train.images[index[:n]]])
    alt = f"{n} samples in the upper row, below each the training image nearest to it in pixels"
    mine, real = evaluation.scores["nearest"].value, evaluation.real["nearest"].value
    note = (
        "<p>Above samples, below each the nearest image of the train split. In the mean samples "
        f"are {_number(mine)} from it, images of the validation split {_number(real)}. A model "
        "that repeats what it learned from is much nearer; blurred images are a little nearer.</p>"
    )
    figure = f"<figure>{_image(plots.grid(both, columns=n, zoom=3), alt)}</figure>"
    return _section("nearest", "Nearest training images", note + figure)


def _pictures(evaluation: Evaluation) -> str:
    """What the example left beside its grids, and the embeddings if they were asked for."""
    folder = evaluation.run.folder
    paths = {folder / name: what for name, what in PICTURES.items() if (folder / name).exists()}
    if evaluation.embeddings:
        paths[evaluation.embeddings] = EMBEDDINGS
    figures = [
        f"<figure>{_image(path, what)}<figcaption>{what}</figcaption></figure>"
        for path, what in paths.items()
    ]
    if not figures:
        return ""
    return _section(
        "pictures", "Pictures of this run", f"<div class='two'>{''.join(figures)}</div>"
    )


def _explorer(evaluation: Evaluation) -> str:
    """The explorer, or why there is none."""
    model, classes = evaluation.model, evaluation.evaluator.train.classes
    codes = encoded(model, evaluation.evaluator, POINTS)
    points, labels = codes if codes and codes[0].shape[1] == 2 else (None, None)
    points = None if points is None else model.to_z(points)
    try:
        return section(model, classes, points=points, labels=labels)
    except UsageError as error:
        return _section(
            "explorer", "Latent explorer", f"<p>There is none: {escape(str(error))}</p>"
        )


def _config(config: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in config.items()
    ]
    return _section("config", "Configuration", _table("", rows))


def _section(name: str, title: str, inside: str) -> str:
    return f"<section id='{name}'>\n<h2>{title}</h2>\n{inside}\n</section>\n"


def _table(head: str, rows: Iterable[str]) -> str:
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    body = "\n".join(rows)
    return f"<div class='wide' tabindex='0'><table>{head}<tbody>{body}</tbody></table></div>"


def _image(picture: Any, alt: str) -> str:
    """A PNG file, or a figure, in the page itself."""
    if isinstance(picture, Path):
        png = picture.read_bytes()
    else:
        file = BytesIO()
        picture.savefig(file, format="png", dpi=100)
        png = file.getvalue()
    text = base64.b64encode(png).decode("ascii")
    return f"<img alt='{escape(alt, quote=True)}' src='data:image/png;base64,{text}'>"


def _number(x: float) -> str:
    """Three digits that count, and whole numbers as such."""
    if not np.isfinite(x):
        return str(x)
    return f"{x:,.0f}" if abs(x) >= 100 or x == int(x) else f"{x:#.3g}".rstrip(".")
