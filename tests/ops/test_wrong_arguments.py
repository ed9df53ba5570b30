"""What cannot be computed is refused in one line that says what was wanted."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn

x = tg.tensor(np.ones((2, 3)))
rng = np.random.default_rng(0)
weights = tg.tensor(np.ones((3, 3, 3, 2)))
images = tg.tensor(np.ones((2, 4, 5, 3)))

WRONG = {
    "cumsum of two axes": (lambda: tg.cumsum(x, axis=(0, 1)), "cumsum: wanted one axis, got"),
    "cumsum of an axis that is not there": (
        lambda: tg.cumsum(x, axis=2),
        "cumsum: axis 2 is out of range for 2 axes",
    ),
    "std of too few": (lambda: tg.std(x, axis=0, ddof=2), "wanted more than ddof=2 numbers, got 2"),
    "prod of an axis that is not there": (lambda: tg.prod(x, axis=2), "prod: axis 2 is out of"),
    "einsum without subscripts": (lambda: tg.einsum(x, x), "einsum: wanted subscripts as "),
    "einsum of too few": (lambda: tg.einsum("ij,jk", x), 'einsum: "ij,jk" wants 2 arrays, got 1'),
    "einsum with odd letters": (
        lambda: tg.einsum("i1->i", x),
        'einsum: wanted letters and at most one "...", got "i1"',
    ),
    "einsum with two ellipses": (lambda: tg.einsum("...i...", x), 'got "...i..."'),
    "einsum with two arrows": (lambda: tg.einsum("ij->i->", x), 'at most one "...", got "i->"'),
    "einsum with too few letters": (
        lambda: tg.einsum("i->i", x),
        'einsum: "i" names 1 axes of an array of shape (2, 3)',
    ),
    "einsum with too many letters": (
        lambda: tg.einsum("ijk...", x),
        'einsum: "ijk..." names 3 axes of an array of shape (2, 3)',
    ),
    "einsum of lengths that differ": (
        lambda: tg.einsum("ij,ij", x, x.T),
        'einsum: "i" has lengths 2 and 3',
    ),
    "einsum of a diagonal that is none": (
        lambda: tg.einsum("ii", x),
        'einsum: "i" has lengths 2 and 3',
    ),
    "einsum of leading axes that do not broadcast": (
        lambda: tg.einsum("...,...", x, x.T),
        'einsum: axis -2 of "..." has lengths 2 and 3',
    ),
    "einsum with an unknown output": (
        lambda: tg.einsum("ij->ik", x),
        'einsum: "k" is in the output but in no input "ik"',
    ),
    "einsum with a letter twice in the output": (
        lambda: tg.einsum("ij->ii", x),
        'einsum: "i" is twice in the output "ii"',
    ),
    "einsum without its ellipsis in the output": (
        lambda: tg.einsum("...j->j", x),
        'einsum: the axes of "..." are not in the output "j"',
    ),
    "tensordot over too many axes": (
        lambda: tg.tensordot(x, x, axes=3),
        "tensordot: wanted 0 <= axes <= 2, got 3",
    ),
    "tensordot of lengths that differ": (
        lambda: tg.tensordot(x, x, axes=(0, 1)),
        "tensordot: axis 0 of (2, 3) does not fit axis 1 of (2, 3)",
    ),
    "tensordot of unequally many axes": (
        lambda: tg.tensordot(x, x, axes=([0, 1], [0])),
        "tensordot: wanted as many axes of a as of b, got ([0, 1], [0])",
    ),
    "tensordot of an axis that is not there": (
        lambda: tg.tensordot(x, x, axes=(2, 0)),
        "tensordot: axis (2,) is out of range for 2 axes",
    ),
    "clip without limits": (lambda: tg.clip(x), "clip: wanted low, high or both"),
    "clip to no number": (lambda: tg.clip(x, low=np.nan, high=1.0), "clip: wanted low <= high"),
    "pad in an unknown mode": (
        lambda: tg.pad(x, 1, mode="wrap"),
        'pad: wanted mode "constant" or "reflect", got \'wrap\'',
    ),
    "pad by too many widths": (
        lambda: tg.pad(x, ((1, 1), (1, 1), (1, 1))),
        "pad: wanted a width, (before, after), or such a pair for each of 2 axes, got ((1, 1), (1",
    ),
    "pad by widths of odd lengths": (lambda: tg.pad(x, ((1, 1), (1,))), "pad: wanted a width, (be"),
    "pad by less than nothing": (lambda: tg.pad(x, -1), "2 axes, integers >= 0, got -1"),
    "pad by half a number": (lambda: tg.pad(x, 0.5), "2 axes, integers >= 0, got 0.5"),
    "pad that reflects nothing": (
        lambda: tg.pad(x[:0], 1, mode="reflect"),
        "pad: axis 0 of (0, 3) has nothing to reflect",
    ),
    "gather of too large an index": (
        lambda: tg.gather(x, [[0, 2, 0]], axis=0),
        "gather: wanted indices in [0, 2), got 0 to 2",
    ),
    "gather of a negative index": (
        lambda: tg.gather(x, [[0, -1, 0]], axis=0),
        "gather: wanted indices in [0, 2), got -1 to 0",
    ),
    "gather of an index of fewer axes": (
        lambda: tg.gather(x, [0, 1], axis=0),
        "gather: wanted an index with as many axes as (2, 3), and no longer but along axis 0, got",
    ),
    "gather of too long an index": (
        lambda: tg.gather(x, np.zeros((1, 4), int), axis=0),
        "no longer but along axis 0, got (1, 4)",
    ),
    "gather of floats": (
        lambda: tg.gather(x, [[0.0]], axis=0),
        "gather: wanted integers as index, got float64",
    ),
    "gather of a mask": (
        lambda: tg.gather(x, np.ones((1, 3), bool), axis=0),
        "gather: wanted integers as index, got bool",
    ),
    "gather along an axis that is not there": (
        lambda: tg.gather(x, [[0]], axis=2),
        "gather: axis 2 is out of range for 2 axes",
    ),
    "scatter_add to a negative index": (
        lambda: tg.scatter_add(x, [[-1]], np.ones((1, 1)), axis=1),
        "scatter_add: wanted indices in [0, 3), got -1 to -1",
    ),
    "scatter_add to too large an index": (
        lambda: tg.scatter_add(x, [[3]], np.ones((1, 1)), axis=1),
        "scatter_add: wanted indices in [0, 3), got 3 to 3",
    ),
    "scatter_add of another shape": (
        lambda: tg.scatter_add(x, [[0]], np.ones((1, 2)), axis=1),
        "scatter_add: wanted an index for each of the numbers (1, 2), got (1, 1)",
    ),
    "sort along an axis that is not there": (lambda: tg.sort(x, axis=2), "sort: axis 2 is out of"),
    "argsort of one number": (lambda: tg.argsort(3.0), "argsort: axis -1 is out of range for 0"),
    "max_pool of a matrix": (
        lambda: tg.max_pool(x, 2),
        "max_pool: wanted images (N, H, W, C), not (2, 3)",
    ),
    "max_pool of a kernel larger than the image": (
        lambda: tg.max_pool(images, (5, 2)),
        "max_pool: a kernel of 5 does not fit into 4 + 2·0 pixels",
    ),
    "max_pool of no pixels": (lambda: tg.max_pool(images, 0), "max_pool: wanted kernel >= 1"),
    "max_pool with too much padding": (
        lambda: tg.max_pool(images, 3, padding=2),
        "max_pool: wanted padding of at most half a kernel",
    ),
    "avg_pool of no stride": (
        lambda: tg.avg_pool(images, 2, stride=0),
        "avg_pool: wanted stride >= 1 and padding >= 0",
    ),
    "avg_pool of a kernel larger than the image": (
        lambda: tg.avg_pool(images, 6, padding=0),
        "avg_pool: a kernel of 6 does not fit into 4 + 2·0 pixels",
    ),
    "resize in an unknown mode": (
        lambda: tg.resize(images, 2, mode="cubic"),
        "resize: wanted mode nearest or bilinear — got",
    ),
    "resize of a matrix": (
        lambda: tg.resize(x, 2),
        "resize: wanted images (N, H, W, C) and a size (H', W'), 1 or more pixels each",
    ),
    "resize to nothing": (
        lambda: tg.resize(images, (2, 0)),
        "resize: wanted images (N, H, W, C) and a size (H', W'), 1 or more pixels each",
    ),
    "conv2d of a kernel with gaps larger than the image": (
        lambda: tg.conv2d(images, weights, dilation=2),
        "conv2d: a kernel of 5 does not fit into 4 + 2·0 pixels",
    ),
    "conv2d of no dilation": (
        lambda: tg.conv2d(images, weights, dilation=(1, 0)),
        "conv2d: wanted dilation >= 1, got (1, 0)",
    ),
    "conv2d in too many groups": (
        lambda: tg.conv2d(images, weights, groups=3),
        "conv2d: wanted weights (kh, kw, C / groups, O) with groups that divide C and O, got "
        "images (2, 4, 5, 3), weights (3, 3, 3, 2) and groups=3",
    ),
    "conv2d in no groups": (lambda: tg.conv2d(images, weights, groups=0), "and groups=0"),
    "conv2d of a matrix in groups": (
        lambda: tg.conv2d(x, weights, groups=3),
        "conv2d: wanted images (N, H, W, C) and weights (kh, kw, C / groups, O), not (2, 3) and",
    ),
    "conv2d_input of other channels": (
        lambda: tg.conv2d_input(images, weights, shape=(2, 6, 7, 4), groups=2),
        "conv2d_input: wanted weights (kh, kw, C / groups, O) with groups that divide",
    ),
    "conv2d_weight of other channels": (
        lambda: tg.conv2d_weight(images, images, shape=(1, 1, 3, 3), groups=3),
        "conv2d_weight: wanted weights (kh, kw, C / groups, O) with groups that divide",
    ),
    "a layer whose groups do not divide its channels": (
        lambda: nn.Conv2d(4, 6, 3, groups=4, rng=rng),
        "Conv2d: wanted groups that divide 4 and 6 channels, got 4",
    ),
    "max_pool of a kernel in three numbers": (
        lambda: tg.max_pool(images, (2, 2, 2)),
        "max_pool: wanted one whole number or (height, width), not (2, 2, 2)",
    ),
    "avg_pool of half a pixel": (
        lambda: tg.avg_pool(images, 2, stride=0.5),
        "avg_pool: wanted one whole number or (height, width), not 0.5",
    ),
    "resize to half a pixel": (
        lambda: tg.resize(images, 2.5),
        "resize: wanted one whole number or (height, width), not 2.5",
    ),
    "resize to three sizes": (
        lambda: tg.resize(images, (1, 2, 3)),
        "resize: wanted one whole number or (height, width), not (1, 2, 3)",
    ),
    "conv2d of dilation 1.5": (
        lambda: tg.conv2d(images, weights, dilation=1.5),
        "conv2d: wanted one whole number or (height, width), not 1.5",
    ),
    "conv2d_weight of dilation 1.5": (
        lambda: tg.conv2d_weight(images, images, shape=(1, 1, 3, 3), dilation=1.5),
        "conv2d_weight: wanted one whole number or (height, width), not 1.5",
    ),
    "conv2d in 1.5 groups": (
        lambda: tg.conv2d(images, weights, groups=1.5),
        "conv2d: wanted a whole number of groups, not 1.5",
    ),
    "a layer of no dilation": (
        lambda: nn.Conv2d(3, 2, 3, dilation=0, rng=rng),
        "Conv2d: wanted dilation >= 1, got 0",
    ),
    "output padding as large as the stride": (
        lambda: nn.ConvTranspose2d(3, 2, 3, stride=2, output_padding=2, rng=rng)(images),
        "ConvTranspose2d: wanted 0 <= output_padding < stride 2, got 2",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused(name):
    call, message = WRONG[name]
    with pytest.raises((ValueError, TypeError, IndexError)) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
