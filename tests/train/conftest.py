"""What tests of training share."""

import numpy as np
import pytest

from tinygen import data


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """200 small images with labels, as an .npz."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    drawn = data.load("strokes", "test")
    np.savez(path, images=drawn.images[:200, 4:24, 4:24], labels=drawn.labels[:200])
    return path
