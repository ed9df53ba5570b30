"""What the ops should compute: plain loops in NumPy, and the same in torch's words."""

from __future__ import annotations

from typing import Any

import numpy as np


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _windows(x_shape: Any, w_shape: Any, stride: Any, padding: Any, dilation: Any = 1) -> Any:
    """(i, j, a, b, row, column) for every output pixel and kernel entry that meets the image."""
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    oh = (x_shape[1] + 2 * ph - dh * (w_shape[0] - 1) - 1) // sh + 1
    ow = (x_shape[2] + 2 * pw - dw * (w_shape[1] - 1) - 1) // sw + 1
    for i, j, a, b in np.ndindex(oh, ow, w_shape[0], w_shape[1]):
        row, column = i * sh + a * dh - ph, j * sw + b * dw - pw
        if 0 <= row < x_shape[1] and 0 <= column < x_shape[2]:
            yield i, j, a, b, row, column


def _groups(c: int, o: int, groups: int) -> Any:
    """(channels of the image, channels of the output) of each group."""
    for g in range(groups):
        yield slice(g * c, (g + 1) * c), slice(g * o // groups, (g + 1) * o // groups)


def conv2d(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any = 1, groups: int = 1) -> Any:
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    oh = (x.shape[1] + 2 * ph - dh * (w.shape[0] - 1) - 1) // sh + 1
    ow = (x.shape[2] + 2 * pw - dw * (w.shape[1] - 1) - 1) // sw + 1
    y = np.zeros((x.shape[0], oh, ow, w.shape[3]))
    for i, j, a, b, r, c in _windows(x.shape, w.shape, stride, padding, dilation):
        for of_x, of_y in _groups(*w.shape[2:], groups):
            y[:, i, j, of_y] += np.einsum("nc,co->no", x[:, r, c, of_x], w[a, b, :, of_y])
    return y


def conv2d_input(
    g: Any, w: Any, *, shape: Any, stride: Any, padding: Any, dilation: Any = 1, groups: int = 1
) -> Any:
    x = np.zeros(shape)
    for i, j, a, b, r, c in _windows(shape, w.shape, stride, padding, dilation):
        for of_x, of_y in _groups(*w.shape[2:], groups):
            x[:, r, c, of_x] += np.einsum("no,co->nc", g[:, i, j, of_y], w[a, b, :, of_y])
    return x


def conv2d_weight(
    x: Any, g: Any, *, shape: Any, stride: Any, padding: Any, dilation: Any = 1, groups: int = 1
) -> Any:
    w = np.zeros(shape)
    for i, j, a, b, r, c in _windows(x.shape, shape, stride, padding, dilation):
        for of_x, of_y in _groups(*shape[2:], groups):
            w[a, b, :, of_y] += np.einsum("nc,no->co", x[:, r, c, of_x], g[:, i, j, of_y])
    return w


def _normalise(x: Any, gamma: Any, beta: Any, eps: float, axes: Any) -> Any:
    centred = x - x.mean(axes, keepdims=True)
    return gamma * centred / np.sqrt(np.var(x, axes, keepdims=True) + eps) + beta


def batch_norm(x: Any, gamma: Any, beta: Any, *, eps: float) -> Any:
    return _normalise(x, gamma, beta, eps, tuple(range(x.ndim - 1)))


def layer_norm(x: Any, gamma: Any, beta: Any, *, eps: float) -> Any:
    return _normalise(x, gamma, beta, eps, tuple(range(x.ndim - gamma.ndim, x.ndim)))


def avg_pool2(x: Any) -> Any:
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def _pools(shape: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    """(i, j, [(row, column), ...]) for every window of a pooling op."""
    (kh, kw), (sh, sw), (ph, pw) = pair(kernel), pair(stride), pair(padding)
    for i in range((shape[1] + 2 * ph - kh) // sh + 1):
        for j in range((shape[2] + 2 * pw - kw) // sw + 1):
            rows = [r for r in range(i * sh - ph, i * sh - ph + kh) if 0 <= r < shape[1]]
            columns = [c for c in range(j * sw - pw, j * sw - pw + kw) if 0 <= c < shape[2]]
            yield i, j, [(r, c) for r in rows for c in columns]


def _pool(x: Any, f: Any, *lay: Any) -> Any:
    pools = list(_pools(x.shape, *lay))
    y = np.zeros((len(x), pools[-1][0] + 1, pools[-1][1] + 1, x.shape[3]))
    for i, j, pixels in pools:
        y[:, i, j] = f(np.array([x[:, r, c] for r, c in pixels]))
    return y


def avg_pool(x: Any, *, kernel: Any, stride: Any, padding: Any, count_include_pad: bool) -> Any:
    size = np.prod(pair(kernel))
    mean = lambda v: v.sum(0) / (size if count_include_pad else len(v))
    return _pool(x, mean, kernel, stride, padding)


def avg_pool_input(
    g: Any, *, shape: Any, kernel: Any, stride: Any, padding: Any, count_include_pad: bool
) -> Any:
    x = np.zeros(shape)
    for i, j, pixels in _pools(shape, kernel, stride, padding):
        for r, c in pixels:
            n = np.prod(pair(kernel)) if count_include_pad else len(pixels)
            x[:, r, c] += g[:, i, j] / n
    return x


def max_pool(x: Any, *, kernel: Any, stride: Any, padding: Any) -> Any:
    return _pool(x, lambda v: v.max(0), kernel, stride, padding)


def max_places(x: Any, *, kernel: Any, stride: Any, padding: Any) -> Any:
    numbers = np.arange(x.shape[1] * x.shape[2]).reshape(1, *x.shape[1:3], 1)
    y = max_pool(x, kernel=kernel, stride=stride, padding=padding)
    places = np.zeros(y.shape, int)
    for i, j, pixels in _pools(x.shape, kernel, stride, padding):
        for r, c in pixels:
            places[:, i, j][x[:, r, c] == y[:, i, j]] = numbers[0, r, c, 0]
    return places


def max_pool_input(g: Any, *, places: Any, shape: Any, **_: Any) -> Any:
    x = np.zeros((shape[0], shape[1] * shape[2], shape[3]))
    for n, i, j, c in np.ndindex(g.shape):
        x[n, places[n, i, j, c], c] += g[n, i, j, c]
    return x.reshape(shape)


def _mixture(n: int, m: int, mode: str) -> Any:
    """(m, n): what share each of n pixels has in each of m."""
    shares = np.zeros((m, n))
    for o in range(m):
        at = max((o + 0.5) * n / m - 0.5, 0.0)
        if mode == "nearest" or abs(at - round(at)) < 1e-9:
            shares[o, o * n // m if mode == "nearest" else round(at)] = 1
        else:
            i = int(at)
            shares[o, i] += i + 1 - at
            shares[o, min(i + 1, n - 1)] += at - i
    return shares


def resize(x: Any, *, size: Any, mode: str) -> Any:
    rows, columns = (_mixture(x.shape[i + 1], size[i], mode) for i in (0, 1))
    return np.einsum("ah,bw,nhwc->nabc", rows, columns, x)


def resize_input(g: Any, *, shape: Any, mode: str) -> Any:
    rows, columns = (_mixture(shape[i + 1], g.shape[i + 1], mode) for i in (0, 1))
    return np.einsum("ah,bw,nabc->nhwc", rows, columns, g)


def sum_to(x: Any, *, shape: Any) -> Any:
    y = np.zeros(shape)
    extra = x.ndim - len(shape)
    for at in np.ndindex(x.shape):
        y[tuple(0 if n == 1 else k for k, n in zip(at[extra:], shape, strict=True))] += x[at]
    return y


def index_add(x: Any, *, key: Any, shape: Any) -> Any:
    """Each entry of x goes where an array of running numbers says that the key reads."""
    y = np.zeros(int(np.prod(shape)))
    numbers = np.arange(y.size).reshape(shape)[key]
    for number, value in zip(np.ravel(numbers), np.ravel(x), strict=True):
        y[number] += value
    return y.reshape(shape)


def running_sum(x: Any, *, axis: int, reverse: bool) -> Any:
    rows = np.moveaxis(x, axis, 0)
    sums = [rows[i:].sum(0) if reverse else rows[: i + 1].sum(0) for i in range(len(rows))]
    return np.moveaxis(np.array(sums), 0, axis)


def gather(x: Any, *, index: Any, axis: int) -> Any:
    y = np.zeros(index.shape)
    for at in np.ndindex(index.shape):
        y[at] = x[(*at[:axis], index[at], *at[axis + 1 :])]
    return y


def scatter(x: Any, *, index: Any, axis: int, shape: Any) -> Any:
    y = np.zeros(shape)
    for at in np.ndindex(index.shape):
        y[(*at[:axis], index[at], *at[axis + 1 :])] += x[at]
    return y


# --- torch: images NHWC -> NCHW and back, weights HWIO -> OIHW ------------------------------------


def _nchw(x: Any) -> Any:
    return x.permute(0, 3, 1, 2).contiguous()


def _nhwc(x: Any) -> Any:
    return x.permute(0, 2, 3, 1)


def _oihw(w: Any) -> Any:
    return w.permute(3, 2, 0, 1).contiguous()


def _lay(stride: Any, padding: Any, dilation: Any = 1, groups: int = 1) -> Any:
    return pair(stride), pair(padding), pair(dilation), groups


def torch_conv2d(t: Any, x: Any, w: Any, **lay: Any) -> Any:
    return _nhwc(t.nn.functional.conv2d(_nchw(x), _oihw(w), None, *_lay(**lay)))


def torch_conv2d_input(t: Any, g: Any, w: Any, shape: Any, **lay: Any) -> Any:
    n, h, v, c = shape
    nchw = (n, c, h, v)
    return _nhwc(t.nn.grad.conv2d_input(nchw, _oihw(w), _nchw(g), *_lay(**lay)))


def torch_conv2d_weight(t: Any, x: Any, g: Any, shape: Any, **lay: Any) -> Any:
    oihw = (shape[3], shape[2], shape[0], shape[1])
    w = t.nn.grad.conv2d_weight(_nchw(x), oihw, _nchw(g), *_lay(**lay))
    return w.permute(2, 3, 1, 0)


def _torch_normalise(t: Any, x: Any, gamma: Any, beta: Any, eps: float, axes: Any) -> Any:
    centred = x - x.mean(axes, keepdim=True)
    var = (centred * centred).mean(axes, keepdim=True)
    return gamma * centred / t.sqrt(var + eps) + beta


def torch_batch_norm(t: Any, x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return _torch_normalise(t, x, gamma, beta, eps, tuple(range(x.ndim - 1)))


def torch_layer_norm(t: Any, x: Any, gamma: Any, beta: Any, eps: float) -> Any:
    return _torch_normalise(t, x, gamma, beta, eps, tuple(range(x.ndim - gamma.ndim, x.ndim)))


def torch_avg_pool2(t: Any, x: Any) -> Any:
    return _nhwc(t.nn.functional.avg_pool2d(_nchw(x), 2))


def torch_max_pool(t: Any, x: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    return _nhwc(t.nn.functional.max_pool2d(_nchw(x), kernel, stride, padding))


def torch_avg_pool(
    t: Any, x: Any, kernel: Any, stride: Any, padding: Any, count_include_pad: bool
) -> Any:
    how = {"count_include_pad": count_include_pad}
    return _nhwc(t.nn.functional.avg_pool2d(_nchw(x), kernel, stride, padding, **how))


def torch_avg_pool_input(t: Any, g: Any, shape: Any, **lay: Any) -> Any:
    x = t.zeros(shape, dtype=g.dtype, requires_grad=True)
    return t.autograd.grad(torch_avg_pool(t, x, **lay), x, g, create_graph=True)[0]


def torch_resize(t: Any, x: Any, size: Any, mode: str) -> Any:
    return _nhwc(t.nn.functional.interpolate(_nchw(x), size, mode=mode))


def torch_resize_input(t: Any, g: Any, shape: Any, mode: str) -> Any:
    x = t.zeros(shape, dtype=g.dtype, requires_grad=True)
    return t.autograd.grad(torch_resize(t, x, g.shape[1:3], mode), x, g, create_graph=True)[0]


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis


def torch_std(t: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Of equal numbers torch's gradient is NaN, which is 0 here."""
    var = t.var(x, _axes(x, axis), correction=0, keepdim=keepdims)
    return t.where(var == 0, t.zeros_like(var), t.sqrt(t.where(var == 0, 1.0, var)))


def torch_prod(t: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    for i in sorted({i % x.ndim for i in _axes(x, axis)}, reverse=True):
        x = x.prod(i, keepdim=keepdims)
    return x


def torch_expand_dims(t: Any, x: Any, axis: Any) -> Any:
    for i in sorted(axis) if isinstance(axis, tuple) else (axis,):
        x = x.unsqueeze(i)
    return x


def torch_index(t: Any, x: Any, key: Any) -> Any:
    """torch knows no negative steps: the reversed axis is flipped first."""
    parts = list(key) if isinstance(key, tuple) else [key]
    for i, part in enumerate(parts):
        if isinstance(part, slice) and part.step == -1:
            x, parts[i] = x.flip(i), slice(None)
        elif isinstance(part, np.ndarray):
            parts[i] = t.from_numpy(part)
        elif isinstance(part, list):
            parts[i] = t.tensor(part)
    return x[tuple(parts)]


def to_tf32(x: Any) -> Any:
    """float32 rounded to TF32's 10 bits of mantissa: to nearest, ties away from zero."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
