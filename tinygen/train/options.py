"""The flags that every example has, with one meaning, and errors told in one line.

With --resume the flags of the run's config.json hold again; only --epochs (more of them) and
--device, and what an example names, may be given anew.
"""

from __future__ import annotations

import argparse
import copy
import math
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .. import data
from ..cpu import threads
from ..device import DeviceError, check_device
from ..errors import FileError, UsageError
from ..version import __version__
from ..weights import write_json
from .checkpoint import read_position
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


def fraction(text: str) -> float:
    """An argparse type: a number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"wanted a number >= 0 and < 1, got {text!r}")
    return value


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The description as it is written, and each flag's default."""


class Parser(argparse.ArgumentParser):
    """argparse, with errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help shows all flags)\n")


def parser(description: str, *, out: str, epochs: int, batch: int) -> Parser:
    """A parser with the common flags; the example adds its own. out: the default run folder."""
    p = Parser(description=description, formatter_class=_Help, allow_abbrev=False)
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
    p.add_argument(
        "--out",
        default=out,
        metavar="DIR",
        help="run folder; unless given, -2, -3 … is added if there is one",
    )
    p.add_argument("--resume", action="store_true", help="go on where the run in --out stopped")
    return p


def parse(
    p: Parser, argv: list[str] | None = None, *, model: str, free: Sequence[str] = ()
) -> Options:
    """The options: defaults, then (with --resume) the run's own, then what the user typed.

    `out` comes back as the folder to use, `model` as given. free: flags of the example that may be
    given anew on resuming, as they change nothing in training. Raises UsageError, DeviceError or
    OSError.
    """
    argv = sys.argv[1:] if argv is None else argv
    options = p.parse_args(argv)
    given = _typed(p, argv)
    if not options.out:
        raise UsageError("--out: wanted a folder, got ''")
    if options.resume:
        folder = Path(options.out) if "out" in given else newest_run(options.out)
        options = _resumed(p, argv, given, Run.open(folder), model, free)
        options.out = str(folder)
    elif "out" not in given:
        options.out = str(free_folder(options.out))
    check_device(options.device)
    threads.count()  # a wrong TINYGEN_THREADS is told now, before there is a run folder
    if options.data not in data.NAMES and Path(options.data).exists():
        options.data = str(Path(options.data).absolute())  # to resume from another folder
    options.model = model
    return options


def _typed(p: Parser, argv: list[str]) -> dict[str, Any]:
    """The flags that the user gave, without the defaults."""
    bare = copy.deepcopy(p)
    for action in bare._actions:
        action.default = argparse.SUPPRESS
    return vars(bare.parse_args(argv))


def _resumed(
    p: Parser, argv: list[str], given: dict[str, Any], run: Run, model: str, free: Sequence[str]
) -> Options:
    """The options that the run was made with, and those that may be given anew."""
    if run.config.get("model") != model:
        raise UsageError(f"--resume: {run.folder} is a run of {run.config.get('model')!r}")
    names = [n for n in vars(p.parse_args([])) if n not in ("out", "resume")]
    missing = [name for name in names if name not in run.config]
    if missing:
        raise FileError(f"{run.folder}: config.json has no {', '.join(missing)}")
    old = [word for name in names for word in _flag(name, run.config[name])]
    before = p.parse_args(old)  # through the flags' own types and choices
    for name, value in given.items():
        if name not in (*FREE_ON_RESUME, *free) and getattr(before, name) != value:
            raise UsageError(
                f"--{name} {value}: the run in {run.folder} was made with "
                f"{getattr(before, name)}; --resume cannot change it"
            )
    return p.parse_args([*old, *argv])


def _flag(name: str, value: Any) -> list[str]:
    """A flag as it would be typed, in words: none for what was not given."""
    if value is None or value is False:
        return []
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, list):
        return [flag, *map(str, value)]
    return [flag] if value is True else [f"{flag}={value}"]


def start(options: Options, dataset: data.Dataset) -> Run:
    """The run folder of these options: opened with --resume, else created.

    config.json gets the flags, the data found and its images' (H, W, C): what builds it again.
    Raises UsageError if a batch is more than all images, or on resuming with other images than
    the run began with (as when --data auto found MNIST then, and not now) or for fewer epochs
    than it has finished.
    """
    if options.batch > len(dataset):
        raise UsageError(f"wanted a batch of at most {len(dataset)} images, got {options.batch}")
    own = {k: v for k, v in vars(options).items() if k not in ("out", "resume")}
    shape = list(dataset.images.shape[1:])
    found = {"images": dataset.name, "count": len(dataset), "shape": shape}
    if not options.resume:
        return Run.create(options.out, {"tinygen": __version__, **found, **own})
    run = Run.open(options.out)
    began = {name: run.config.get(name) for name in found}
    if began != found:
        raise UsageError(f"--resume: {run.folder} began with {began}, this would be {found}")
    if run.checkpoint.exists() and (done := read_position(run.checkpoint).epoch) > options.epochs:
        raise UsageError(f"--epochs {options.epochs}: {run.folder} has finished {done} already")
    run.config.update(own)
    write_json(run.folder / "config.json", run.config)
    return run


def report_errors(main: Callable[[], Any], name: str | None = None) -> None:
    """Runs main(); what a user can cause becomes one line on stderr and exit code 2.

    A stopped run exits with 130, as the shell expects after Ctrl-C.
    """
    name = name or Path(sys.argv[0]).name
    try:
        main()
    except Interrupted as stop:
        again = _shell_line([sys.executable, sys.argv[0], "--out", stop.run.folder, "--resume"])
        print(f"\n{stop}; go on with: {again}", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except MemoryError:
        print(f"{name}: error: not enough memory for this", file=sys.stderr)
        sys.exit(2)
    except (UsageError, DeviceError, OSError) as error:
        print(f"{name}: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def _shell_line(words: Sequence[Any]) -> str:
    """The words as one line to type, quoted as this system's shell wants it."""
    plain = [str(word) for word in words]
    return subprocess.list2cmdline(plain) if sys.platform == "win32" else shlex.join(plain)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
