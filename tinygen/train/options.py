"""The flags that every example has, with one meaning, and errors told in one line.

With --resume the flags of the run's config.json hold again; only --epochs (more of them) and
--device, and what an example names, may be given anew.
"""

from __future__ import annotations

import argparse
import copy
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from .. import data, models
from ..cpu import threads
from ..device import DeviceError, check_device
from ..errors import FileError, UsageError
from ..models.config import COUNT, NATURAL, SWITCH, Config, Values
from .loop import Interrupted
from .run import Run, free_folder, newest_run

FREE_ON_RESUME = ("epochs", "device", "out", "resume")


Options = argparse.Namespace


def argument(values: Values) -> Callable[[str], Any]:
    """An argparse type for these values."""

    def parse(text: str) -> Any:
        try:
            return values.parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The description as it is written, and each flag's default, if it is one value."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """argparse, with errors in one line."""

    configs: tuple[type[Config], ...] = ()  # of the models that it has the options of
    points: tuple[str, ...] = ()  # the names that --data has, where it is not of images

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help shows all flags)\n")


def parser(
    description: str,
    *modules: ModuleType,
    out: str,
    epochs: int,
    batch: int | None,
    points: tuple[str, ...] = (),
) -> Parser:
    """A parser with the common flags and those of the models' Configs; the example adds its own.

    out: the default run folder. batch: None for an example of several runs, each with its own.
    points: what --data may be in an example that makes its own points, instead of images; the first
    unless given.
    """
    p = Parser(description=description, formatter_class=_Help, allow_abbrev=False)
    p.configs = tuple(module.Config for module in modules)
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute")
    p.points = points
    count, natural = argument(COUNT), argument(NATURAL)
    if points:
        p.add_argument("--data", choices=points, default=points[0], help="where the points lie")
    else:
        p.add_argument(
            "--data",
            default="auto",
            metavar="auto|mnist|fashion|cifar10|strokes|PATH",
            help="auto: MNIST if it is found or can be downloaded, else the built-in strokes",
        )
        p.add_argument("--only", nargs="+", metavar="CLASS", help="learn from these classes alone")
        p.add_argument("--size", type=count, metavar="N", help="resize the images to N×N")
        p.add_argument("--augment", action="store_true", help="mirror every other image, at random")
    p.add_argument("--epochs", type=count, default=epochs, help="passes through the images")
    if batch is not None:
        p.add_argument("--batch", type=count, default=batch, help="images a step")
    p.add_argument("--seed", type=natural, default=0, help="of weights, noise and order")
    p.add_argument(
        "--out",
        default=out,
        metavar="DIR",
        help="run folder; unless given, -2, -3 … is added if there is one",
    )
    p.add_argument("--resume", action="store_true", help="go on where the run in --out stopped")
    for name in dict.fromkeys(name for config in p.configs for name in _names(config)):
        _add_option(p, name, [config for config in p.configs if name in _names(config)])
    return p


def _names(config: type[Config]) -> list[str]:
    return [f.name for f in fields(config)]


def _add_option(p: Parser, name: str, configs: list[type[Config]]) -> None:
    """The flag of an option. Where several models have it, each keeps its own default."""
    options: list[Field[Any]] = [next(f for f in fields(c) if f.name == name) for c in configs]
    first, flag = options[0], f"--{name.replace('_', '-')}"
    values, help = first.metadata["values"], first.metadata["help"]
    if values is SWITCH:
        p.add_argument(flag, action="store_true", help=help)
        return
    default = first.default
    if len({f.default for f in options}) > 1:
        usual = (f"{f.default} for {c.model()}" for f, c in zip(options, configs, strict=True))
        default, help = None, f"{help.partition(';')[0]}; {', '.join(usual)}"
    more: dict[str, Any] = {"choices": values.choices} if values.choices else {}
    if first.metadata["several"]:
        more["nargs"] = "+"
    p.add_argument(flag, type=argument(values), default=default, help=help, **more)


def parse(
    p: Parser,
    argv: list[str] | None = None,
    *,
    model: Callable[[Options], str] | None = None,
    free: Sequence[str] = (),
) -> tuple[Options, Config]:
    """The options, see `read`, and the model's among them.

    model: which of the parser's models these options ask for, if it has several.
    """
    argv = sys.argv[1:] if argv is None else argv
    options, given = read(p, argv, free=free)
    options.model = model(options) if model else p.configs[0].model()
    return options, _config(p, options, given)


def read(p: Parser, argv: list[str], *, free: Sequence[str] = ()) -> tuple[Options, dict[str, Any]]:
    """The options: defaults, then (with --resume) the run's own, then what the user typed; and
    the last alone.

    `out` comes back as the folder to use. free: flags of the example that may be given anew on
    resuming, as they change nothing in training. Raises UsageError, DeviceError or OSError.
    """
    options = p.parse_args(argv)
    given = _typed(p, argv)
    if not options.out:
        raise UsageError("--out: wanted a folder, got ''")
    if options.resume:
        folder = Path(options.out) if "out" in given else newest_run(options.out)
        options = _resumed(p, argv, given, Run.open(folder), free)
        options.out = str(folder)
    elif "out" not in given:
        options.out = str(free_folder(options.out))
    check_device(options.device)
    threads.count()  # a wrong TINYGEN_THREADS is told now, before there is a run folder
    if options.data not in (*data.NAMES, *p.points) and Path(options.data).exists():
        options.data = str(Path(options.data).absolute())  # to resume from another folder
    return options, given


def _config(p: Parser, options: Options, given: dict[str, Any]) -> Config:
    """The options of the model that was chosen, with its own defaults."""
    config: type[Config] = models.named(options.model).Config
    for other in p.configs:
        for name in given.keys() & (set(_names(other)) - set(_names(config))):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag}: an option of {other.model()}, this is {options.model}")
    for f in fields(config):
        if getattr(options, f.name) is None and f.default is not MISSING:
            setattr(options, f.name, f.default)
    found = config.of(vars(options))
    for f in fields(config):  # those that another option decides about
        if getattr(options, f.name) is None:
            setattr(options, f.name, getattr(found, f.name))
    return found


def _typed(p: Parser, argv: list[str]) -> dict[str, Any]:
    """The flags that the user gave, without the defaults."""
    bare = copy.deepcopy(p)
    for action in bare._actions:
        action.default = argparse.SUPPRESS
    return vars(bare.parse_args(argv))


def _resumed(
    p: Parser, argv: list[str], given: dict[str, Any], run: Run, free: Sequence[str]
) -> Options:
    """The options that the run was made with, and those that may be given anew."""
    found: Any = run.config.get("model", "several models")
    if found not in ([config.model() for config in p.configs] or ["several models"]):
        raise UsageError(f"--resume: {run.folder} is a run of {found!r}")
    usual = {k: v for k, v in vars(p.parse_args([])).items() if k not in ("out", "resume")}
    needed = [name for name, value in usual.items() if flag(name, value)]
    missing = [name for name in needed if name not in run.config]
    if missing:
        raise FileError(f"{run.folder}: config.json has no {', '.join(missing)}")
    old = [word for name in usual for word in flag(name, run.config.get(name))]
    before = p.parse_args(old)  # through the flags' own types and choices
    for name, value in given.items():
        if name not in (*FREE_ON_RESUME, *free) and getattr(before, name) != value:
            raise UsageError(
                f"--{name} {value}: the run in {run.folder} was made with "
                f"{getattr(before, name)}; --resume cannot change it"
            )
    return p.parse_args([*old, *argv])


def flag(name: str, value: Any) -> list[str]:
    """A flag as it would be typed, in words: none for what was not given."""
    if value is None or value is False:
        return []
    word = f"--{name.replace('_', '-')}"
    if isinstance(value, list | tuple):
        return [word, *map(str, value)]
    return [word] if value is True else [f"{word}={value}"]


def report_errors(main: Callable[[], Any], name: str | None = None) -> None:
    """Runs main(); what a user can cause becomes one line on stderr and exit code 2.

    A stopped run exits with 130, as the shell expects after Ctrl-C.
    """
    name = name or Path(sys.argv[0]).name
    try:
        main()
    except Interrupted as stop:
        again = _shell_line([sys.executable, sys.argv[0], "--out", stop.folder, "--resume"])
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
