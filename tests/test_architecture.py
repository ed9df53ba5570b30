"""The floors: a module imports only modules of its own floor or below. Read from the source."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "tinygen"
FLOORS = [
    {"device", "errors", "version", "axes", "windows", "cache", "cpu", "cuda"},
    {"recording", "core", "primitives", "autodiff", "checker"},
    {"ops"},
    {"nn", "optim", "prob", "weights"},
    {"models"},
    {"data", "train", "plots", "scores", "report", "doctor"},
    {"__init__", "__main__"},
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}
MODULES = sorted(p.relative_to(ROOT) for p in ROOT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The parts of tinygen (first name below it) that a file imports, also inside functions."""
    package = ("tinygen", *path.parent.parts)
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(a.name.split(".")) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple((node.module or "").split(".")) if node.module else ()
            names = [(*base, a.name) for a in node.names]
        for name in names:
            if name[0] == "tinygen" and len(name) > 1:
                found.add(name[1] if name[1] in FLOOR else "__init__")
    return found


def test_every_module_has_a_floor():
    unknown = {p.parts[0].removesuffix(".py") for p in MODULES} - FLOOR.keys()
    assert not unknown, f"add {sorted(unknown)} to FLOORS"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_downwards(path):
    mine = FLOOR[path.parts[0].removesuffix(".py")]
    above = {name for name in imported(path) if FLOOR[name] > mine}
    assert not above, f"{path} (floor {mine}) imports {sorted(above)} from a floor above it"


def test_only_device_imports_cupy():
    for path in MODULES:
        text = (ROOT / path).read_text(encoding="utf-8")
        names = {
            a.name.split(".")[0]
            for n in ast.walk(ast.parse(text))
            if isinstance(n, ast.Import)
            for a in n.names
        }
        assert "cupy" not in names or str(path) == "device.py"


def test_no_module_hides_behind_a_thing_of_its_name():
    """`tinygen.ops.norm`, say, would be the function, and its module out of reach."""
    for path in MODULES:
        package = ".".join(("tinygen", *path.parent.parts))
        name = path.stem
        if name.startswith("__"):
            continue
        module = importlib.import_module(f"{package}.{name}")
        assert getattr(importlib.import_module(package), name) is module, f"{package}.{name}"


def test_the_checker_sees_relative_imports():
    assert {"core", "ops", "optim"} <= imported(Path("models/vae.py"))
    assert "cpu" in imported(Path("__init__.py"))


def test_import_is_light():
    """No pictures, progress bars, data, SciPy or Numba before they are asked for."""
    heavy = ("matplotlib", "scipy", "tqdm", "PIL", "safetensors", "tinygen.data", "cupy", "numba")
    code = f"import sys, tinygen; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(FLOORS[1]))
def test_the_engine_imports_no_launcher(name):
    """It counts what ran, but which kernels there are is the ops' affair."""
    tree = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert {m for m in modules if m.startswith("cuda")} <= {"cuda.used"}
