"""Writes docs/formulas.md from the models' own docstrings and code: python docs/formulas.py

A test fails when the page is not what this script writes.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from tinygen import prob
from tinygen.models import MODELS, Model, autoregressive, unrolled

HEAD = """# The formulas, and the code that computes them

Each model's objective as its file states it, in the paper's symbols, and under it the functions
that compute it. Written by `docs/formulas.py`; `make test` fails if it is out of date.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [HEAD, *(section(module) for module in [*MODELS.values(), unrolled, autoregressive, prob])]
    )


def section(module: ModuleType) -> str:
    """Title, objective, code and link of one model."""
    title, objective = inspect.getdoc(module).split("\n", 1)
    title = title.removeprefix("Floor 3: ").replace("log-", "Log-", 1)
    path = module.__name__.replace(".", "/") + ".py"
    code = "\n\n\n".join(inspect.getsource(f).rstrip() for f in losses(module))
    return (
        f"## {title}\n\n```text\n{objective.strip()}\n```\n\n"
        f"[`{path}`](../{path})\n\n```python\n{code}\n```\n"
    )


def losses(module: ModuleType) -> list[Callable]:
    """The functions above the first class that trains, but for those that draw networks."""
    own = [thing for thing in vars(module).values() if in_file(thing, module)]
    trained = [line(c) for c in own if inspect.isclass(c) and issubclass(c, Model)]
    end = min(trained, default=10**6)
    formulas = [f for f in own if inspect.isfunction(f) and line(f) < end]
    public = [f for f in formulas if not f.__name__.startswith("_")]
    return [f for f in public if "rng" not in inspect.signature(f).parameters]


def in_file(thing, module: ModuleType) -> bool:
    return getattr(thing, "__module__", "") == module.__name__ and hasattr(thing, "__qualname__")


def line(thing) -> int:
    return inspect.getsourcelines(thing)[1]


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")
