// y[i] = f(x[i]) and y[i] = f(a[i], b[i]): what elementwise.cu and activation.cu share.
//
// Launch: any grid of 256-thread blocks (grid-stride loops); the caller makes one block for every
// 1024 entries. Bound by memory: a unary kernel moves 2 numbers an entry (8 bytes of float), a
// binary one 3 (12 bytes), in accesses of 16 bytes where all pointers allow them.

#include "common.cuh"

template <class F>
__device__ __forceinline__ void map(const REAL* __restrict__ x, REAL* __restrict__ y, int n, F f) {
    const int first = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    const int fours = aligned(x) && aligned(y) ? n / 4 : 0;
    for (int i = first; i < fours; i += step) {
        Four t = reinterpret_cast<const Four*>(x)[i];
#pragma unroll
        for (int k = 0; k < 4; ++k) t.v[k] = f(t.v[k]);
        reinterpret_cast<Four*>(y)[i] = t;
    }
    for (int i = 4 * fours + first; i < n; i += step) y[i] = f(x[i]);
}

template <class F>
__device__ __forceinline__ void map(const REAL* __restrict__ a, const REAL* __restrict__ b,
                                    REAL* __restrict__ y, int n, F f) {
    const int first = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    const int fours = aligned(a) && aligned(b) && aligned(y) ? n / 4 : 0;
    for (int i = first; i < fours; i += step) {
        Four s = reinterpret_cast<const Four*>(a)[i];
        const Four t = reinterpret_cast<const Four*>(b)[i];
#pragma unroll
        for (int k = 0; k < 4; ++k) s.v[k] = f(s.v[k], t.v[k]);
        reinterpret_cast<Four*>(y)[i] = s;
    }
    for (int i = 4 * fours + first; i < n; i += step) y[i] = f(a[i], b[i]);
}

// y has the sizes (…, n1, n2, n3), in which a goes by the steps a0 … a3 and b by b0 … b3 (in
// entries, 0 where it repeats). One entry a thread: the repeated argument comes from the cache.
template <class F>
__device__ __forceinline__ void map_broadcast(const REAL* __restrict__ a,
                                              const REAL* __restrict__ b, REAL* __restrict__ y,
                                              int n, int n1, int n2, int n3, int a0, int a1, int a2,
                                              int a3, int b0, int b1, int b2, int b3, F f) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        const int i3 = i % n3, r2 = i / n3, i2 = r2 % n2, r1 = r2 / n2, i1 = r1 % n1, i0 = r1 / n1;
        y[i] = f(a[i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3], b[i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3]);
    }
}

#define UNARY(name, value)                                                                     \
    KERNEL(name)(const REAL* __restrict__ x, REAL* __restrict__ y, int n) {                     \
        map(x, y, n, [](REAL x) { return REAL(value); });                                      \
    }
// A unary kernel with a number s, and one with two, s and t.
#define UNARY_1(name, value)                                                                   \
    KERNEL(name)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, REAL s) {             \
        map(x, y, n, [s](REAL x) { return REAL(value); });                                     \
    }
#define UNARY_2(name, value)                                                                   \
    KERNEL(name)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, REAL s, REAL t) {     \
        map(x, y, n, [s, t](REAL x) { return REAL(value); });                                  \
    }
// a and b of one shape.
#define SAME(name, value)                                                                      \
    KERNEL(name)(const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ y,  \
                int n) {                                                                       \
        map(a, b, y, n, [](REAL a, REAL b) { return REAL(value); });                           \
    }
// a and b of one shape, a and b that broadcast, one of them a number.
#define BINARY(name, value)                                                                    \
    SAME(name, value)                                                                          \
    KERNEL(name##_broadcast)(const REAL* __restrict__ a, const REAL* __restrict__ b,            \
                            REAL* __restrict__ y, int n, int n0, int n1, int n2, int n3,       \
                            int a0, int a1, int a2, int a3, int b0, int b1, int b2, int b3) {  \
        map_broadcast(a, b, y, n, n1, n2, n3, a0, a1, a2, a3, b0, b1, b2, b3,                  \
                      [](REAL a, REAL b) { return REAL(value); });                             \
    }                                                                                          \
    KERNEL(name##_number)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, REAL b) {    \
        map(x, y, n, [b](REAL a) { return REAL(value); });                                     \
    }                                                                                          \
    KERNEL(number_##name)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, REAL a) {    \
        map(x, y, n, [a](REAL b) { return REAL(value); });                                     \
    }
