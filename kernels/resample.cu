// Images (N, H, W, C) in other sizes: tinygen/ops/resample.py.
//
// Halving and doubling: a pixel of the small image, h × w, and its 2×2 square in the large one. A
// thread works on one number of the small image (or on four of neighbouring channels, 16 bytes of
// float, if C and the pointers allow it), so that neighbours in a warp touch neighbours in memory.
// Launch: any grid of 256-thread blocks; the caller makes one for every 256 numbers of the small
// image.
// Bound by memory: 5 numbers moved for each of the small image (20 bytes of float).

#include "common.cuh"

// Where the square begins that belongs to entry i of the small image. N and H are one axis here: a
// row of the small image has two of the large one, whatever image it is in.
__device__ __forceinline__ int square(int i, int w, int c) {
    const int channel = i % c, pixel = i / c;
    return (pixel / w * 4 * w + pixel % w * 2) * c + channel;
}

template <class T>
__device__ __forceinline__ void upsample(const T* __restrict__ x, T* __restrict__ y, int n, int w,
                                         int c) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const T v = x[i];
        T* to = y + square(i, w, c);
        to[0] = to[c] = to[2 * w * c] = to[2 * w * c + c] = v;
    }
}

// x (N, h, w, c) -> y (N, 2h, 2w, c); n is x's size.
KERNEL(upsample2)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int w, int c) {
    if (c % 4 == 0 && aligned(x) && aligned(y))
        upsample(reinterpret_cast<const Four*>(x), reinterpret_cast<Four*>(y), n / 4, w, c / 4);
    else
        upsample(x, y, n, w, c);
}

__device__ __forceinline__ REAL mean(REAL a, REAL b, REAL c, REAL d) {
    return (a + b + c + d) * REAL(0.25);
}

__device__ __forceinline__ Four mean(Four a, const Four& b, const Four& c, const Four& d) {
#pragma unroll
    for (int k = 0; k < 4; ++k) a.v[k] = mean(a.v[k], b.v[k], c.v[k], d.v[k]);
    return a;
}

template <class T>
__device__ __forceinline__ void pool(const T* __restrict__ x, T* __restrict__ y, int n, int w,
                                     int c) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const T* of = x + square(i, w, c);
        y[i] = mean(of[0], of[c], of[2 * w * c], of[2 * w * c + c]);
    }
}

// x (N, 2h, 2w, c) -> y (N, h, w, c), the mean of each square; n is y's size.
KERNEL(avg_pool2)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int w, int c) {
    if (c % 4 == 0 && aligned(x) && aligned(y))
        pool(reinterpret_cast<const Four*>(x), reinterpret_cast<Four*>(y), n / 4, w, c / 4);
    else
        pool(x, y, n, w, c);
}

// Any size. Pixel o of m mixes two of n, (1 - t)·x[first] + t·x[first + 1], as its middle lies at
// (o + 1/2)·n/m - 1/2 = ((2o + 1)·n - m) / 2m, not before 0. In whole numbers, as long as
// (2m + 1)·n fits an int: images of up to 32,000 pixels a side.
struct Bilinear {
    int first;
    REAL t;
    __device__ __forceinline__ Bilinear(int o, int n, int m) {
        const int at = max((2 * o + 1) * n - m, 0);
        first = at / (2 * m);
        t = first + 1 < n ? REAL(at % (2 * m)) / (2 * m) : REAL(0);
    }
    // The first o whose `first` is r or more.
    INLINE int begin(int r, int n, int m) {
        return r <= 0 ? 0 : min(m, ((2 * r + 1) * m - n + 2 * n - 1) / (2 * n));
    }
    static const int reach = 1;
};

// Pixel o of m is pixel o·n/m.
struct Nearest {
    int first;
    REAL t;
    __device__ __forceinline__ Nearest(int o, int n, int m) : first(o * n / m), t(0) {}
    INLINE int begin(int r, int n, int m) { return min(m, (r * m + n - 1) / n); }
    static const int reach = 0;
};

INLINE REAL mixed(const REAL* x, REAL t, int step) {
    return t > 0 ? (1 - t) * x[0] + t * x[step] : x[0];
}

// x (N, h, w, c) -> y (N, h2, w2, c); n is y's size. A thread computes one number of y. Launch: any
// grid of 256-thread blocks, a thread for each. Bound by memory: x, from the cache, and y once.
template <class Mode>
INLINE void resize(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int h, int w, int h2,
                   int w2, int c) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const Mode row(i / c / w2 % h2, h, h2), column(i / c % w2, w, w2);
        const REAL* of = x + ((i / c / w2 / h2 * h + row.first) * w + column.first) * c + i % c;
        REAL v = mixed(of, column.t, c);
        if (row.t > 0) v = (1 - row.t) * v + row.t * mixed(of + w * c, column.t, c);
        y[i] = v;
    }
}

// The share that pixel r has in what lies at `from`.
template <class Mode>
INLINE REAL share(const Mode& from, int r) {
    return from.first == r ? 1 - from.t : from.t;
}

// g (N, h2, w2, c) -> x (N, h, w, c), the transpose; n is x's size. A thread computes one number of
// x, of all those of g that it has a share in, always in one order. Launch and limit as above.
template <class Mode>
INLINE void resize_input(const REAL* __restrict__ g, REAL* __restrict__ x, int n, int h, int w,
                         int h2, int w2, int c) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const int q = i / c % w, r = i / c / w % h, image = i / c / w / h;
        REAL sum = 0;
        for (int a = Mode::begin(r - Mode::reach, h, h2); a < Mode::begin(r + 1, h, h2); ++a) {
            REAL line = 0;
            for (int b = Mode::begin(q - Mode::reach, w, w2); b < Mode::begin(q + 1, w, w2); ++b)
                line += share(Mode(b, w, w2), q) * g[((image * h2 + a) * w2 + b) * c + i % c];
            sum += share(Mode(a, h, h2), r) * line;
        }
        x[i] = sum;
    }
}

#define RESIZE(name, Mode)                                                                       \
    KERNEL(resize_##name)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int h, int w, \
                          int h2, int w2, int c) {                                               \
        resize<Mode>(x, y, n, h, w, h2, w2, c);                                                  \
    }                                                                                            \
    KERNEL(resize_input_##name)(const REAL* __restrict__ g, REAL* __restrict__ x, int n, int h,  \
                                int w, int h2, int w2, int c) {                                  \
        resize_input<Mode>(g, x, n, h, w, h2, w2, c);                                            \
    }

RESIZE(nearest, Nearest)
RESIZE(bilinear, Bilinear)
