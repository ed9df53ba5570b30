"""python -m tinygen sample RUN --n 64 -o x.png: pictures from a finished (or stopped) run
python -m tinygen sample RUN --label 7: of one class, of several (3 5 8) or of all
python -m tinygen sample RUN --code 3 0.5 -1: of one code of an InfoGAN
python -m tinygen evaluate RUN: scores beside real images', scores.json and report.html in the run
python -m tinygen doctor: what this machine has, and how to mend what is broken"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import data, plots
from .cpu import threads
from .doctor import doctor
from .errors import UsageError
from .models import Model, infogan
from .models.conditional import Conditional
from .models.config import COUNT, NATURAL
from .models.infogan import InfoGAN
from .nn.init import Rng
from .train import Parser, argument, load_model, report_errors


def sample(options: argparse.Namespace) -> None:
    """Draws options.n images and writes them as one grid."""
    if options.output.suffix.lower() != ".png":
        raise UsageError(f"--output: wanted a name that ends in .png, got {str(options.output)!r}")
    _, model = load_model(options.run)
    with threads.expecting(convolutions=model.convolves):
        pictures, columns = drawn(model, options, np.random.default_rng(options.seed))
    plots.save(plots.grid(data.unscale(pictures, *model.RANGE), columns=columns), options.output)
    print(options.output)


def drawn(
    model: Model, options: argparse.Namespace, rng: Rng
) -> tuple[np.ndarray[Any, Any], int | None]:
    """The images that are asked for, in the model's range, and the columns of their grid."""
    if options.code is not None:
        if not isinstance(model, InfoGAN):
            raise UsageError(f"--code: wanted an InfoGAN, this is a {type(model).__name__}")
        return model.generate(infogan.noise(options.n, rng), code(options.code, options.n)), None
    if options.label is None:
        return model.sample(options.n, rng), None
    if not isinstance(model, Conditional):
        name = type(model).__name__
        raise UsageError(f"--label: wanted a model that is told labels, this is a {name}")
    labels, columns = asked_for(options.label, options.n, model.classes)
    return model.sample(len(labels), rng, labels), columns


def evaluate(options: argparse.Namespace) -> None:
    """Prints the run's scores; leaves scores.json and report.html in its folder."""
    from . import report  # classifiers, SciPy, data: what the other commands do without

    found = report.evaluate(options.run, n=options.n, source=options.data, seed=options.seed)
    if options.tsne:
        found.draw_embeddings()
    path = found.save()
    for name, score in found.scores.items():
        of_real = f"  (real images: {found.real[name].value:.4g})" if name in found.real else ""
        print(f"{score.value:10.4g}  {score.title}{of_real}")
    print(path)


def asked_for(words: list[str], n: int, classes: int) -> tuple[np.ndarray[Any, Any], int | None]:
    """n labels of the classes that the words name, one after the other; the columns of their grid:
    a row a class if there are several. Raises UsageError for words that name no class."""
    every = [str(i) for i in range(classes)]
    chosen = every if words == ["all"] else words
    wrong = [word for word in chosen if word not in every]
    if wrong:
        raise UsageError(f"--label: wanted numbers from 0 to {every[-1]} or all, got {wrong[0]!r}")
    each = -(-n // len(chosen))
    return np.repeat([int(word) for word in chosen], each), each if len(chosen) > 1 else None


def code(words: list[str], n: int) -> np.ndarray[Any, Any]:
    """The code that the words spell, a category and up to two numbers, n times: (n, 12)."""
    wanted = f"--code: wanted a category from 0 to {infogan.CATEGORIES - 1} and up to two numbers"
    try:
        k, u = int(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise UsageError(f"{wanted}, got {' '.join(words)}") from None
    if not 0 <= k < infogan.CATEGORIES or len(u) > infogan.NUMBERS or not np.isfinite(u).all():
        raise UsageError(f"{wanted}, got {' '.join(words)}")
    u += [0.0] * (infogan.NUMBERS - len(u))
    return infogan.codes([k] * n, [u] * n)


def main() -> None:
    p = Parser(
        prog="tinygen",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = p.add_subparsers(required=True, metavar="COMMAND")
    s = commands.add_parser("sample", help="draw pictures from a run")
    s.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    s.add_argument("--n", type=argument(COUNT), default=64, help="how many")
    s.add_argument("--label", nargs="+", metavar="CLASS", help="numbers of classes, or all")
    s.add_argument("--code", nargs="+", metavar="N", help="of an InfoGAN: category, then numbers")
    s.add_argument("--seed", type=argument(NATURAL), default=0, help="of the noise")
    s.add_argument("-o", "--output", type=Path, default=Path("sample.png"), help="the PNG to write")
    s.set_defaults(command=sample)
    e = commands.add_parser("evaluate", help="score a run, and make a page to look at it")
    e.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    e.add_argument("--n", type=argument(COUNT), help="samples; 5,000, or what small data allows")
    e.add_argument("--data", metavar="NAME|PATH", help="where the run's data lies, if it has moved")
    e.add_argument("--seed", type=argument(NATURAL), default=0, help="of the noise")
    e.add_argument("--tsne", action="store_true", help="draw t-SNE and PCA, too (scikit-learn)")
    e.set_defaults(command=evaluate)
    d = commands.add_parser("doctor", help="look at this machine; exit code 1: something is broken")
    d.set_defaults(command=lambda _: sys.exit(doctor()))
    options = p.parse_args()
    report_errors(lambda: options.command(options), "tinygen")


if __name__ == "__main__":
    main()
