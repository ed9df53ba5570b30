"""python -m tinygen sample RUN --n 64 -o x.png: pictures from a finished (or stopped) run
python -m tinygen doctor: what this machine has, and how to mend what is broken"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from . import data, plots
from .doctor import doctor
from .errors import UsageError
from .models.config import COUNT, NATURAL
from .train import Parser, argument, load_model, report_errors


def sample(options: argparse.Namespace) -> None:
    """Draws options.n images and writes them as one grid."""
    if options.output.suffix.lower() != ".png":
        raise UsageError(f"--output: wanted a name that ends in .png, got {str(options.output)!r}")
    _, model = load_model(options.run)
    pictures = model.sample(options.n, np.random.default_rng(options.seed))
    plots.save(plots.grid(data.unscale(pictures, *model.RANGE)), options.output)
    print(options.output)


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
    s.add_argument("--seed", type=argument(NATURAL), default=0, help="of the noise")
    s.add_argument("-o", "--output", type=Path, default=Path("sample.png"), help="the PNG to write")
    s.set_defaults(command=sample)
    d = commands.add_parser("doctor", help="look at this machine; exit code 1: something is broken")
    d.set_defaults(command=lambda _: sys.exit(doctor()))
    options = p.parse_args()
    report_errors(lambda: options.command(options), "tinygen")


if __name__ == "__main__":
    main()
