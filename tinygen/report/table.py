"""Tables of comparisons, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..weights import write_aside


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of these cells, a line a row."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean_and_sd(numbers: Sequence[float], shown: str) -> str:
    """The mean ± the standard deviation, if there are several, as the format `shown` writes them;
    nothing of no numbers."""
    if not numbers:
        return ""
    sd = f" ± {np.std(numbers, ddof=1):{shown}}" if len(numbers) > 1 else ""
    return f"{np.mean(numbers):{shown}}{sd}"


def save(text: str, path: Path) -> None:
    """Writes the text, whole or not at all."""
    write_aside(path, lambda aside: aside.write_text(text + "\n", encoding="utf-8"))
