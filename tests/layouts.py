"""The same numbers in other memory layouts, as views and other libraries' arrays have them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tinygen.device import Array, xp

ODD = (1, 3, 8, 1000, -8)  # bytes


def laid_out(array: Array, layout: str, odd: int = 0) -> Array:
    """The same values, laid out in another way, on the device where the array is.

    odd: unless 0, the stride of all axes of length 1 and 0, on which no entry's place depends.
    """
    m = xp(array)
    if layout == "C" or not array.ndim:
        array = array.copy()
    elif layout == "F":
        array = m.asfortranarray(array)
    elif layout == "gaps":
        wide = m.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
        wide[..., ::2] = array
        array = wide[..., ::2]
    elif layout == "reversed":
        array = m.ascontiguousarray(array[::-1])[::-1]
    else:  # "channels first", as another library's images seen as ours
        array = m.moveaxis(m.moveaxis(array, -1, 0).copy(), 0, -1)
    if not odd:
        return array
    strides = [odd if n < 2 else s for n, s in zip(array.shape, array.strides, strict=True)]
    return m.lib.stride_tricks.as_strided(array, array.shape, strides)


layouts = st.tuples(
    st.sampled_from(["C", "F", "gaps", "reversed", "channels first"]), st.sampled_from([0, *ODD])
)
