"""`way`: a test runs twice, with NumPy's form of each loop and with Numba's."""

import pytest

from tinygen.cpu import compiled


@pytest.fixture(params=["numpy", "numba"])
def way(request, monkeypatch):
    if request.param == "numba":
        pytest.importorskip("numba")
    monkeypatch.setattr(compiled, "why_not", "" if request.param == "numba" else compiled.OFF)
    return request.param
