"""The built wheel holds what a user needs: the package, its types marker, the kernels."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

REPOSITORY = Path(__file__).parents[1]


def test_the_wheel_holds_package_and_kernels(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    done = subprocess.run([*command, REPOSITORY], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("tinygen-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {p.relative_to(REPOSITORY).as_posix() for p in REPOSITORY.glob("tinygen/**/*.py")}
    assert package <= names
    weights = {
        p.relative_to(REPOSITORY).as_posix() for p in REPOSITORY.glob("tinygen/**/*.safetensors")
    }
    assert len(weights) == 2 and weights <= names
    kernels = {f"tinygen/kernels/{p.name}" for p in (REPOSITORY / "kernels").iterdir()}
    assert kernels and kernels <= names
    parts = (f"tinygen/report/{n}.{kind}" for n in ("explorer", "page") for kind in ("js", "css"))
    assert set(parts) <= names
    assert "tinygen/py.typed" in names
    assert not [n for n in names if n.startswith(("tests", "examples", "benchmarks"))]
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA")))
    assert b"Requires-Python: >=3.11" in metadata and b"Provides-Extra: cuda13" in metadata
