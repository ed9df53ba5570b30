"""Several runs by one command, to compare them: each in its own folder below --out.

    series = train.Series.of(p)                         p: a parser of the common flags alone
    training = series.train(name, module, **options)    for each run

or, where a run is more than training, `with series.training(name, module, **options) as training`.
With --resume the runs that have ended are opened as they are, and the others go on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from ..data import Dataset
from ..version import __version__
from .loop import Interrupted
from .options import Options, Parser, flag, parser, read
from .run import Run, refuse_run
from .training import Training, build, load_split, prepare

COMMON = ("data", "only", "size", "augment", "device", "epochs", "batch", "seed")


@dataclass
class Series:
    """The common options of several runs, and their place."""

    options: Options

    @classmethod
    def of(cls, p: Parser, argv: list[str] | None = None) -> Self:
        """What the flags ask for. Raises UsageError, DeviceError or OSError."""
        options, _ = read(p, sys.argv[1:] if argv is None else argv)
        if not options.resume:
            refuse_run(Path(options.out))
        return cls(options)

    @cached_property
    def run(self) -> Run:
        """The folder around the runs, made when it is first asked for."""
        if self.options.resume:
            return Run.open(self.options.out)
        own = {k: v for k, v in vars(self.options).items() if k not in ("out", "resume")}
        return Run.create(self.options.out, {"tinygen": __version__, **own})

    def load(self, split: str) -> Dataset:
        """A split of what the runs learn from: see `data.load`."""
        return load_split(vars(self.options), split)

    def check(self, module: ModuleType, **options: Any) -> None:
        """Raises what `training` would for such a run, and leaves nothing: for a series that would
        train long before it comes to that run."""
        build(*self._asked(Path(self.options.out), module, options, []))

    def _asked(
        self, out: Path, module: ModuleType, options: dict[str, Any], more: list[str]
    ) -> tuple[Parser, list[str]]:
        """A parser for a run in the folder out, and its flags."""
        given = vars(self.options)
        options = {key: given[key] for key in COMMON if key in given} | options
        p = parser("", module, out=str(out), epochs=options["epochs"], batch=options["batch"])
        return p, [f"--out={out}", *(w for k, v in options.items() for w in flag(k, v)), *more]

    def train(self, name: str, module: ModuleType, **options: Any) -> Training:
        """The run called name, of a model with these options, trained to its end."""
        with self.training(name, module, **options) as training:
            training.fit()
        return training

    @contextmanager
    def training(self, name: str, module: ModuleType, **options: Any) -> Iterator[Training]:
        """The run called name, not yet trained. What stops inside goes on with the whole series.

        options: of the model, or a common one in place of the series' own.
        """
        out = Path(self.options.out) / name
        resume = ["--resume"] if self.options.resume and (out / "config.json").exists() else []
        training = prepare(*self._asked(out, module, options, resume))
        folder = self.run.folder  # not before: prepare tells what is wrong with the flags
        try:
            yield training
        except Interrupted as stop:
            stop.folder = folder
            raise
