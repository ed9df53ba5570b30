"""What tests of reports share: small runs."""

import pytest
from examples_here import small_digits

from tinygen import models, train


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """small_run(model, **options) -> the folder of a run of two epochs on 2,000 small images."""
    folder = tmp_path_factory.mktemp("runs")
    small_digits(folder / "small.npz", 2000, 20)

    def run(name, **options):
        module, out = models.MODELS[name], folder / name
        if not out.exists():
            p = train.parser("", module, out=str(out), epochs=2, batch=50)
            flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
            train.prepare(p, ["--data", str(folder / "small.npz"), "--out", str(out), *flags]).fit()
        return out

    return run
