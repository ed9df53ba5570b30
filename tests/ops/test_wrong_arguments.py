"""What cannot be computed is refused in one line that says what was wanted."""

import numpy as np
import pytest

import tinygen as tg

x = tg.tensor(np.ones((2, 3)))

WRONG = {
    "cumsum of two axes": (lambda: tg.cumsum(x, axis=(0, 1)), "cumsum: wanted one axis, got"),
    "cumsum of an axis that is not there": (
        lambda: tg.cumsum(x, axis=2),
        "cumsum: axis 2 is out of range for 2 axes",
    ),
    "std of too few": (lambda: tg.std(x, axis=0, ddof=2), "wanted more than ddof=2 numbers, got 2"),
    "prod of an axis that is not there": (lambda: tg.prod(x, axis=2), "prod: axis 2 is out of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused(name):
    call, message = WRONG[name]
    with pytest.raises((ValueError, TypeError, IndexError)) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
