// Pooling of images (N, H, W, C): tinygen/ops/pool.py.
//
// y is (N, H2, W2, C), window (i, j) has the pixels i·sh - ph + a, j·sw - pw + b, a < kh, b < kw. A
// thread computes one number, of y or of a gradient by x, and reads all windows or pixels that
// take part: no atomics, so the same bits in two runs. Neighbours in a warp are neighbouring
// channels. Launch: any grid of 256-thread blocks, one thread for a number of the result. Bound by
// memory where windows do not overlap (x and y once), else by the reads from the cache.

#include "common.cuh"

#define LAY \
    int size, int h, int w, int h2, int w2, int c, int kh, int kw, int sh, int sw, int ph, int pw
#define EACH(i) \
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x)

// The part [from, to) of a kernel at window i that lies on an image of h pixels, as pixels.
INLINE int from(int i, int s, int p) { return max(i * s - p, 0); }
INLINE int to(int i, int s, int p, int k, int h) { return min(i * s - p + k, h); }

// The windows [first, last) that pixel r lies in, of n.
INLINE int first(int r, int s, int p, int k) { return r + p < k ? 0 : (r + p - k) / s + 1; }
INLINE int last(int r, int s, int p, int n) { return min((r + p) / s + 1, n); }

// The largest number of each window; a NaN is the largest.
KERNEL(max_pool)(const REAL* __restrict__ x, REAL* __restrict__ y, LAY) {
    EACH(at) {
        const int channel = at % c, j = at / c % w2, i = at / c / w2 % h2, n = at / c / w2 / h2;
        const REAL* of = x + n * h * w * c + channel;
        REAL top = of[(from(i, sh, ph) * w + from(j, sw, pw)) * c];
        for (int r = from(i, sh, ph); r < to(i, sh, ph, kh, h); ++r)
            for (int q = from(j, sw, pw); q < to(j, sw, pw, kw, w); ++q) {
                const REAL v = of[(r * w + q) * c];
                top = isnan(top) || top > v ? top : v;
            }
        y[at] = top;
    }
}

// Where it is, row · w + column: the first place whose number is not smaller than y.
KERNEL(max_places)(const REAL* __restrict__ x, const REAL* __restrict__ y, int* __restrict__ places,
                   LAY) {
    EACH(at) {
        const int channel = at % c, j = at / c % w2, i = at / c / w2 % h2, n = at / c / w2 / h2;
        const REAL* of = x + n * h * w * c + channel;
        const REAL top = y[at];
        int r = from(i, sh, ph), q = from(j, sw, pw);
        while (of[(r * w + q) * c] < top)
            if (++q == to(j, sw, pw, kw, w)) {
                q = from(j, sw, pw);
                ++r;
            }
        places[at] = r * w + q;
    }
}

// Σ of g over the windows whose place is this one.
KERNEL(max_pool_input)(const REAL* __restrict__ g, const int* __restrict__ places,
                       REAL* __restrict__ x, LAY) {
    EACH(at) {
        const int channel = at % c, q = at / c % w, r = at / c / w % h, n = at / c / w / h;
        REAL sum = 0;
        for (int i = first(r, sh, ph, kh); i < last(r, sh, ph, h2); ++i)
            for (int j = first(q, sw, pw, kw); j < last(q, sw, pw, w2); ++j) {
                const int window = ((n * h2 + i) * w2 + j) * c + channel;
                if (places[window] == r * w + q) sum += g[window];
            }
        x[at] = sum;
    }
}

// The number of pixels that the mean of window (i, j) divides by: all, or those on the image.
INLINE int divisor(int i, int j, int h, int w, int kh, int kw, int sh, int sw, int ph, int pw,
                   int whole) {
    if (whole) return kh * kw;
    return (to(i, sh, ph, kh, h) - from(i, sh, ph)) * (to(j, sw, pw, kw, w) - from(j, sw, pw));
}

KERNEL(avg_pool)(const REAL* __restrict__ x, REAL* __restrict__ y, LAY, int whole) {
    EACH(at) {
        const int channel = at % c, j = at / c % w2, i = at / c / w2 % h2, n = at / c / w2 / h2;
        const REAL* of = x + n * h * w * c + channel;
        REAL sum = 0;
        for (int r = from(i, sh, ph); r < to(i, sh, ph, kh, h); ++r)
            for (int q = from(j, sw, pw); q < to(j, sw, pw, kw, w); ++q)
                sum += of[(r * w + q) * c];
        y[at] = sum / divisor(i, j, h, w, kh, kw, sh, sw, ph, pw, whole);
    }
}

// Σ of g / divisor over the windows that a pixel lies in.
KERNEL(avg_pool_input)(const REAL* __restrict__ g, REAL* __restrict__ x, LAY, int whole) {
    EACH(at) {
        const int channel = at % c, q = at / c % w, r = at / c / w % h, n = at / c / w / h;
        REAL sum = 0;
        for (int i = first(r, sh, ph, kh); i < last(r, sh, ph, h2); ++i)
            for (int j = first(q, sw, pw, kw); j < last(q, sw, pw, w2); ++j)
                sum += g[((n * h2 + i) * w2 + j) * c + channel] /
                       divisor(i, j, h, w, kh, kw, sh, sw, ph, pw, whole);
        x[at] = sum;
    }
}
