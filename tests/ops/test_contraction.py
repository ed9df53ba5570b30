"""einsum and tensordot: what the catalogue does not reach."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygen as tg

r = np.random.default_rng(0)


@pytest.mark.parametrize(
    "subscripts, shapes",
    [
        ("nhwc,cd->nhwd", [(2, 3, 3, 4), (4, 5)]),
        ("bij,bjk,bkl->bil", [(2, 3, 4), (2, 4, 2), (2, 2, 5)]),
        ("i,j,k,l->lkji", [(2,), (3,), (4,), (5,)]),
        ("iii->i", [(3, 3, 3)]),
        ("iijj->j", [(3, 3, 2, 2)]),
        ("ab,ab", [(1, 3), (2, 3)]),  # an axis of length 1 broadcasts
        ("ab->ba", [(2, 3)]),
        (" i j , j k -> i k ", [(2, 3), (3, 4)]),
        ("ij,jk", [(2, 0), (0, 4)]),
        (",", [(), ()]),
    ],
)
def test_the_usual_sums_are_numpys(subscripts, shapes):
    arrays = [r.standard_normal(s) for s in shapes]
    y = tg.einsum(subscripts, *(tg.tensor(a, dtype=float) for a in arrays))
    assert_allclose(y.numpy(), np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-12)


def test_raw_arrays_take_the_tensors_dtype():
    a = r.standard_normal((2, 3))
    x = tg.tensor(a.T)
    assert tg.einsum("ij,jk", a, x).dtype == np.float32
    assert tg.tensordot(a, x, axes=1).dtype == np.float32
    assert tg.tensordot(a, a).dtype == np.float64
    assert_allclose(tg.tensordot(a, a).item(), np.sum(a * a))


def test_a_product_is_one_product():
    """No entry by entry products where BLAS can do it."""
    a, b = (tg.tensor(r.standard_normal((4, 4))) for _ in range(2))
    x = tg.tensor(a.data, requires_grad=True)
    node = tg.einsum("ij,kj->ik", x, b).node
    names = set()
    while node is not None:
        names.add(node.op.name)
        node = node.args[0].node
    assert names <= {"reshape_to", "permute", "batched_matmul"}
