"""python -m tinygen sample RUN --n 64 -o x.png: pictures from a finished (or stopped) run
python -m tinygen doctor: what this machine has, and how to mend what is broken"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import data, plots
from .doctor import doctor
from .errors import FileError, UsageError
from .models import aae, gan, iwae, vae, wgan_gp
from .train.checkpoint import load_parts
from .train.options import Parser, natural, positive, report_errors
from .train.run import Run
from .weights import load

# config.json's "model" -> what builds it and knows its range
MODELS = {"gan": gan, "wgan_gp": wgan_gp, "vae": vae, "iwae": iwae, "aae": aae}


def load_model(folder: Path) -> tuple[Run, Any, Any]:
    """(run, the model's module, the model) with the weights of the run's checkpoint."""
    run = Run.open(folder)
    module = MODELS.get(str(run.config.get("model")))
    if module is None:
        raise FileError(f"{run.folder}: no model that can be sampled: {run.config.get('model')!r}")
    try:
        model = module.build({**run.config, "device": "cpu"}, np.random.default_rng(0))
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"{run.folder / 'config.json'}: cannot build the model: {error!r}"
        ) from None
    load_parts(run.checkpoint, load(run.checkpoint), model.networks())
    return run, module, model


def sample(options: argparse.Namespace) -> None:
    """Draws options.n images and writes them as one grid."""
    if options.output.suffix.lower() != ".png":
        raise UsageError(f"--output: wanted a name that ends in .png, got {str(options.output)!r}")
    _, module, model = load_model(options.run)
    pictures = model.sample(options.n, np.random.default_rng(options.seed))
    plots.save(plots.grid(data.unscale(pictures, *module.RANGE)), options.output)
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
    s.add_argument("--n", type=positive, default=64, help="how many")
    s.add_argument("--seed", type=natural, default=0, help="of the noise")
    s.add_argument("-o", "--output", type=Path, default=Path("sample.png"), help="the PNG to write")
    s.set_defaults(command=sample)
    d = commands.add_parser("doctor", help="look at this machine; exit code 1: something is broken")
    d.set_defaults(command=lambda _: sys.exit(doctor()))
    options = p.parse_args()
    report_errors(lambda: options.command(options), "tinygen")


if __name__ == "__main__":
    main()
