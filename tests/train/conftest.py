"""What tests of training share."""

import pytest
from examples_here import small_digits


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """200 small images with labels, as an .npz."""
    return small_digits(tmp_path_factory.mktemp("digits") / "digits.npz", 200, 20)
