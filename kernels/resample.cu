// Halving and doubling images (N, H, W, C): tinygen/ops/resample.py.
//
// A pixel of the small image (h, w of them) and its 2×2 square in the large one. A thread works on
// one number of the small image (or on four of neighbouring channels, 16 bytes of float, if C and
// the pointers allow it), so that neighbours in a warp touch neighbours in memory. Launch: any
// grid of 256-thread blocks; the caller makes one for every 256 numbers of the small image.
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
