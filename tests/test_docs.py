"""The pages that are made from the code: they say what it says."""

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

from tinygen import models

DOCS = Path(__file__).parents[1] / "docs"


def formulas():
    spec = importlib.util.spec_from_file_location("formulas", DOCS / "formulas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_formulas_are_those_of_the_code():
    written = (DOCS / "formulas.md").read_text(encoding="utf-8")
    assert written == formulas().page(), "run: python docs/formulas.py"


def test_every_model_is_registered_and_has_its_formulas():
    trained = set()
    for file in pkgutil.iter_modules(models.__path__):
        module = importlib.import_module(f"tinygen.models.{file.name}")
        own = [c for c in vars(module).values() if inspect.isclass(c)]
        if any(c.__module__ == module.__name__ and issubclass(c, models.Model) for c in own):
            trained.add(module)
    shared = {
        importlib.import_module(f"tinygen.models.{name}")
        for name in ("model", "players", "conditional", "autoregressive")
    }
    assert trained - shared == set(models.MODELS.values())
    assert all(formulas().losses(module) for module in models.MODELS.values())
