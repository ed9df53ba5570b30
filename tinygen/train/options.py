"""The flags that every example has, with one meaning, and errors told in one line.

With --resume the flags of the run's config.json hold again; only --epochs (more of them) and
--device may be given anew.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..data import Dataset
from ..device import DeviceError, check_device
from ..errors import UsageError
from ..version import __version__
from ..weights import write_json
from .loop import Interrupted
from .run import Run, free_folder, newest_run

FREE_ON_RESUME = ("epochs", "device", "out", "resume")


Options = argparse.Namespace


def positive(text: str) -> int:
    """An argparse type: an integer >= 1."""
    value = int(text) if text.lstrip("-").isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number >= 1, got {text!r}")
    return value


def natural(text: str) -> int:
    """An argparse type: an integer >= 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"wanted a whole number >= 0, got {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """An argparse type: a number > 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a number > 0, got {text!r}")
    return value


class Parser(argparse.ArgumentParser):
    """argparse, with errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help shows all flags)\n")


def parser(description: str, *, out: str, epochs: int, batch: int) -> Parser:
    """A parser with the common flags; the example adds its own. out: the default run folder."""
    p = Parser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute")
    p.add_argument(
        "--data",
        default="auto",
        metavar="auto|mnist|fashion|cifar10|strokes|PATH",
        help="auto: MNIST if it is found or can be downloaded, else the built-in strokes",
    )
    p.add_argument("--epochs", type=positive, default=epochs, help="passes through the images")
    p.add_argument("--batch", type=positive, default=batch, help="images a step")
    p.add_argument("--seed", type=natural, default=0, help="of weights, noise and order")
    p.add_argument("--out", default=out, metavar="DIR", help="run folder; -2, -3 … if taken")
    p.add_argument("--resume", action="store_true", help="go on where the run in --out stopped")
    return p


def parse(p: Parser, argv: list[str] | None = None) -> Options:
    """The options: defaults, then (with --resume) the run's own, then what the user typed.

    `out` comes back as the folder to use. Raises UsageError, DeviceError or OSError.
    """
    defaults = vars(p.parse_args([]))
    for action in p._actions:
        action.default = argparse.SUPPRESS
    given = vars(p.parse_args(argv))
    options = {**defaults, **given}
    check_device(options["device"])
    if not options["resume"]:
        options["out"] = str(given["out"] if "out" in given else free_folder(options["out"]))
        return Options(**options)
    folder = Path(given["out"]) if "out" in given else newest_run(options["out"])
    config = Run.open(folder).config
    for name, value in given.items():
        if name not in FREE_ON_RESUME and config.get(name) != value:
            raise UsageError(
                f"--{name} {value}: the run in {folder} was made with {config.get(name)}; "
                "--resume cannot change it"
            )
    old = {name: config[name] for name in defaults if name in config}
    options = {**defaults, **old, **given, "out": str(folder)}
    return Options(**options)


def start(options: Options, dataset: Dataset, *, model: str) -> Run:
    """The run folder of these options: opened with --resume, else created.

    config.json gets the flags, the model's name, the data found and its images' (H, W, C).
    Raises UsageError if a batch is more than all images, or on resuming with another model or
    other images than the run began with (as when --data auto found MNIST then, and not now).
    """
    if options.batch > len(dataset):
        raise UsageError(f"wanted a batch of at most {len(dataset)} images, got {options.batch}")
    own = {k: v for k, v in vars(options).items() if k not in ("out", "resume")}
    built = {"model": model, "images": dataset.name, "shape": list(dataset.images.shape[1:])}
    if not options.resume:
        return Run.create(options.out, {"tinygen": __version__, **built, **own})
    run = Run.open(options.out)
    began = {name: run.config.get(name) for name in built}
    if began != built:
        raise UsageError(f"--resume: {run.folder} began with {began}, this would be {built}")
    run.config.update(own)
    write_json(run.folder / "config.json", run.config)
    return run


def report_errors(main: Callable[[], Any]) -> None:
    """Runs main(); what a user can cause becomes one line on stderr and exit code 2.

    A stopped run exits with 130, as the shell expects after Ctrl-C.
    """
    name = Path(sys.argv[0]).name
    try:
        main()
    except Interrupted as stop:
        again = f"python {sys.argv[0]} --out {stop.run.folder} --resume"
        print(f"\n{stop}; go on with: {again}", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except (UsageError, DeviceError, OSError) as error:
        print(f"{name}: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
