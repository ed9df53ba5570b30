"""The run folder, the same for every model.

config.json              the flags, and what is needed to build the model again
metrics.csv              a row every few steps: step, epoch, seconds, then the model's numbers
samples/epoch_0001.png   a grid an epoch, always of the same noise
curves.png               the metrics over the steps
checkpoint.safetensors   all that training goes on from
"""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..weights import read_json, write_aside, write_json


class Run:
    """A run folder, for writing and reading. `Run.create` and `Run.open` make one."""

    def __init__(self, folder: Path, config: dict[str, Any]):
        self.folder, self.config = folder, config
        self.checkpoint = folder / "checkpoint.safetensors"
        self.metrics = folder / "metrics.csv"
        self.samples = folder / "samples"
        self.curves = folder / "curves.png"

    @classmethod
    def create(cls, folder: str | Path, config: dict[str, Any]) -> Run:
        """A new run folder. Raises FileExistsError if it holds a run, OSError if not writable."""
        run = cls(Path(folder), config)
        refuse_run(run.folder)
        run.folder.mkdir(parents=True, exist_ok=True)
        write_json(run.folder / "config.json", config)
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run folder. Raises FileNotFoundError or FileError if it is not one."""
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{folder}: not a run folder: it has no config.json")
        config = read_json(path)
        if not isinstance(config, dict):
            raise FileError(f"{path}: wanted a JSON object, got {type(config).__name__}")
        return cls(Path(folder), config)

    def log(self, row: dict[str, float]) -> None:
        """Appends a row to metrics.csv, and its names above the first."""
        new = not self.metrics.exists() or not self.metrics.stat().st_size
        with self.metrics.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(row)
            writer.writerow(repr(v) if isinstance(v, float) else v for v in row.values())

    def read_metrics(self) -> dict[str, list[float]]:
        """metrics.csv by columns; a last line that was cut off is left out. Empty if none."""
        if not self.metrics.exists():
            return {}
        try:
            with self.metrics.open(newline="", encoding="utf-8") as file:
                lines = list(csv.reader(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileError(f"{self.metrics}: wanted a table as CSV: {error}") from None
        if not lines:
            return {}
        names, *rows = lines
        if "step" not in names:
            raise FileError(f"{self.metrics}: wanted a column step, got {', '.join(names)}")
        whole = [[_number(v) for v in row] for row in rows if len(row) == len(names)]
        return {name: [row[i] for row in whole] for i, name in enumerate(names)}

    def cut_metrics(self, step: int) -> None:
        """Drops the rows after `step`: a resumed run writes them again."""
        columns = self.read_metrics()
        if not columns:
            return
        keep = [i for i, s in enumerate(columns["step"]) if s <= step]

        def write(path: Path) -> None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                whole = ("step", "epoch")
                for i in keep:
                    writer.writerow(
                        int(v[i]) if name in whole else repr(v[i]) for name, v in columns.items()
                    )

        write_aside(self.metrics, write)

    def grid_path(self, epoch: int) -> Path:
        """Where the sample grid of an epoch belongs; makes that folder."""
        self.samples.mkdir(exist_ok=True)
        return self.samples / f"epoch_{epoch:04d}.png"

    def last_grid(self) -> Path | None:
        """The newest sample grid, if there is one."""
        return max(self.samples.glob("epoch_*.png"), default=None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def refuse_run(folder: Path) -> None:
    """Raises FileExistsError if the folder holds a run."""
    if (folder / "config.json").exists():
        raise FileExistsError(
            f"{folder} holds a run already: add --resume to go on with it, or choose another --out"
        )


def free_folder(base: str | Path) -> Path:
    """base, or base-2, base-3 … : the first that holds no run."""
    path, n = Path(base), 1
    while (path / "config.json").exists():
        n += 1
        path = Path(f"{os.fspath(base)}-{n}")
    return path


def newest_run(base: str | Path) -> Path:
    """The last of base, base-2, … that holds a run. FileNotFoundError if none does."""
    path = last = Path(base)
    n = 1
    while (path / "config.json").exists():
        last, n = path, n + 1
        path = Path(f"{os.fspath(base)}-{n}")
    if n == 1:
        raise FileNotFoundError(f"--resume: no run at {base}; name its folder with --out")
    return last
