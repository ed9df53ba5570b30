"""benchmarks/ on the GPU: what surrounds the measuring, and a dry run over the stand-in."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygen as tg

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "backends.py": (),
    "ops.py": ("--device", "cuda"),
    "train_step.py": ("--device", "cuda"),
}


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def run(script, *options, path=()):
    where = os.pathsep.join([*map(str, path), str(ROOT)])
    one = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "TINYGEN_THREADS")}
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *map(str, options)],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, **one, "PYTHONPATH": where, "TINYGEN_STANDIN": "fast"},
    )  # fmt: skip


def rows(*times):
    return [
        {"step": "vae", "batch": b, "cpu_ms": cpu, "cuda_ms": gpu}
        for b, cpu, gpu in zip((16, 64, 256), *times, strict=True)
    ]


@pytest.mark.parametrize(
    "cpu, gpu, wanted",
    [
        ((1, 4, 16), (2, 2, 2), 32),  # 1/2 at 16, 2 at 64: a draw at their geometric mean
        ((1, 1, 4), (4, 2, 2), 128),
        ((4, 1, 4), (2, 2, 2), 128),  # the last crossing counts
        ((3, 3, 3), (1, 1, 1), 16),  # faster throughout
        ((1, 1, 1), (2, 2, 2), None),
        ((1, 4, None), (2, 2, 2), 32),  # the CPU stopped
    ],
)
def test_the_crossover_is_where_the_gpu_gets_faster(cpu, gpu, wanted):
    import backends

    batch = backends.crossover(rows(cpu, gpu))
    assert batch == (None if wanted is None else pytest.approx(wanted))


def test_the_table_has_a_dash_where_the_cpu_stopped():
    import backends

    lines = backends.table(rows((1, 8, None), (2, 2, 4))).splitlines()
    assert lines[-2].split() == ["vae", "64", "8.00", "2.00", "4.0", "32000"]
    assert lines[-1].split() == ["vae", "256", "-", "4.00", "-", "64000"]


def test_losses_that_are_not_numbers_never_pass():
    import backends

    assert backends.difference(100.0, 100.1) == pytest.approx(1e-3)
    assert backends.difference(0.01, 0.02) == pytest.approx(0.01)
    assert backends.difference(1.0, math.nan) == math.inf


def test_backends_refuses_to_time_what_differs(monkeypatch):
    import backends

    cpu = [{"loss": 1.0}] * 3
    numbers = {"cpu": cpu, "cuda": [*cpu[:2], {"loss": 1.1}]}
    monkeypatch.setattr(backends, "three_steps", lambda step, batch, device: numbers[device])
    with pytest.raises(ValueError, match=r"loss of step 3 differs between CPU and GPU by 1\.0e-01"):
        backends.check("vae", 4)


def test_the_cpu_stops_after_a_batch_that_took_too_long(monkeypatch):
    import backends

    monkeypatch.setattr(backends, "peer_on", lambda *_: SimpleNamespace(step=lambda: None))
    monkeypatch.setattr(backends, "time_cpu", lambda step, batch, options: batch * 100.0)
    cp = SimpleNamespace(cuda=SimpleNamespace())
    options = SimpleNamespace(batch=[64, 16, 256], seconds=0.001, rounds=1, longest=5.0)
    measured = backends.measure(cp, "vae", options)
    assert [(r["batch"], r["cpu_ms"]) for r in measured] == [
        (16, 1600.0),
        (64, 6400.0),
        (256, None),
    ]


def test_occupancy_is_bound_by_registers_threads_and_shared_memory():
    import small

    assert small.occupancy(256, 32, 0) == 1
    assert small.occupancy(256, 64, 0) == 0.5
    assert small.occupancy(256, 255, 0) == 0.125
    assert small.occupancy(256, 32, 48 << 10) == 0.5  # 4 blocks of 49 KB in 227
    assert small.occupancy(32, 16, 0) == 0.5  # 32 blocks of one warp


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_gpu_one_line_says_what_is_missing(script, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError")
    path = tmp_path / "times.json"
    done = run(script, *SCRIPTS[script], "--json", path, path=[tmp_path])
    assert done.returncode == 0 and not path.exists(), done.stderr
    assert done.stdout.count("\n") == 1 and "pip install 'tinygen[cuda13]'" in done.stdout


def test_every_case_of_torch_computes_what_ours_does(monkeypatch):
    """On the CPU, in place of the GPU: same formulas, same layouts."""
    torch = pytest.importorskip("torch")
    import ops_cases
    import ops_cuda

    def random(*shape):
        return tg.tensor(ops_cases.rng.standard_normal(shape), device="cpu")

    for module in (ops_cases, ops_cuda):
        monkeypatch.setattr(module, "torch", lambda: torch)
    monkeypatch.setattr(ops_cases, "random", random)
    monkeypatch.setattr(ops_cases, "there", lambda t: torch.from_numpy(np.asarray(t.data)))
    families = (
        *(ops_cases.moved(8192), ops_cases.norms(8192)),
        *(ops_cases.products(2), ops_cases.convolutions(2)),
    )
    for case in (case for family in families for case in family):
        for _ in (1, 2):  # both cotangents
            assert ops_cuda.difference(case.run(), case.twin()) < 1e-5, case


@pytest.mark.skipif(shutil.which("timeout") is None, reason="wanted a Unix with timeout")
def test_the_one_command_goes_on_after_a_failure(tmp_path):
    """With a Python that only notes its arguments, and whose tests fail."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\n[ "$2" = pytest ] && echo 3 failed && exit 3\necho "did $1"\n')
    fake.chmod(0o755)
    env = {**os.environ, "PYTHON": str(fake), "OUT": str(tmp_path / "out"), "PATH": os.defpath}
    done = subprocess.run(
        ["sh", ROOT / "benchmarks" / "gpu.sh"], capture_output=True, text=True, env=env
    )
    assert done.returncode == 1, done.stdout + done.stderr
    summary = done.stdout.rpartition("\n\n")[2].splitlines()
    results = {line.split()[0]: " ".join(line.split()[3:]) for line in summary}
    assert results["tests"] == "FAIL (exit 3)", done.stdout
    assert [results[n] for n in ("kernels", "ops", "train_step", "backends")] == ["pass"] * 4
    assert "3 failed" in (tmp_path / "out" / "gpu.log").read_text()


def test_a_dry_run_over_the_standin(gpu, tmp_path):
    if gpu:
        pytest.skip("benchmarks/gpu.sh runs them for measure")
    standin = [Path(__file__).parent / "standin"]
    path = tmp_path / "backends.json"
    tiny = ("--steps", "vae", "--rounds", 1, "--seconds", 0.01)
    done = run("backends.py", *tiny, "--batch", "2,4", "--json", path, path=standin)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(path.read_text())
    assert report.keys() == {"machine", "check", "rows", "crossover", "failed"}
    assert [r["batch"] for r in report["rows"]] == [2, 4] and not report["failed"]
    assert "stand-in" in report["machine"]["gpu"] and path.with_suffix(".png").exists()

    path = tmp_path / "train_step.json"
    flags = ("--device", "cuda", "--peers", "", "--batch", 2, "--json", path)
    done = run("train_step.py", *tiny, *flags, path=standin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {r["device"] for r in json.loads(path.read_text())["rows"]} == {"cuda"}

    path = tmp_path / "ops.json"
    flags = ("--device", "cuda", "--batch", 1, "--megabytes", 0.1, "--json", path)
    done = run("ops.py", *flags, path=standin)
    assert done.returncode == 0, done.stdout + done.stderr
    names = {r["op"] for r in json.loads(path.read_text())["rows"]}
    assert {"add", "softmax", "batch_norm'", "layer_norm'", "matmul", "conv2d", "Adam"} <= names
