"""Which models draw their images by one pass of one network."""

from tinygen.models import MODELS

SEVERAL_PASSES = ("lapgan", "made", "pixelcnn")  # one a level, one a pixel
ONE_NETWORK = sorted(MODELS.keys() - set(SEVERAL_PASSES))
