"""The data room: image sets as plain NumPy arrays.

`load` gives a `Dataset` (uint8 images NHWC, int64 labels) of MNIST, Fashion-MNIST, CIFAR-10, the
built-in `strokes` digits, an .npz file or a folder of pictures. `scale` and `unscale` map pixels
to floats and back, `binarise` draws zeros and ones. Everything that can be wrong with data raises
`DataError`, a `ValueError`.
"""

from tinygen.data.dataset import DataError, Dataset, binarise, scale, unscale
from tinygen.data.loading import NAMES, SPLITS, load

__all__ = ["NAMES", "SPLITS", "DataError", "Dataset", "binarise", "load", "scale", "unscale"]
