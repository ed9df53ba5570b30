// The three convolutions as products of matrices, by whatever arithmetic: Math, see conv_tile.cuh.
//
// Row r and column s of such a product is Σ_k A[r, k]·B[k, s]; k is called the depth here. A has a
// row for each window of the image ("im2col"), but is never written down: what a block needs of it
// is gathered from the image into shared memory ("implicit GEMM"). A tap is one (a, b) of the
// kernel.
//
// In each product rows, columns and depth count these indices of the formulas in conv.cu:
//
//                  rows            columns   depth
//   conv2d         n, i, j         o         a, b, c     c runs fastest in both factors' memory
//   conv2d_input   n, i, j         c         a, b, o     of the pixels of one phase, see there
//   conv2d_weight  a, b, c         o         n, i, j
//
// Launch: 256 threads; grid.x: one block for each 64·R × 64 tile of y (columns fastest, so that
// blocks that run together share rows in the L2 cache), R = 1 or WIDE by the kernel's name; grid.y:
// parts of the depth ("split-K"), for products with too few tiles to fill the GPU. Part p writes
// its sums to y + p · (size of y), and add_parts adds them in order, so results are the same in
// every run. Bound by arithmetic: 2 · rows · columns · depth FLOPs (conv2d with few channels, by
// the bytes of y).

#include "conv_gather.cuh"

// The part of the depth that this block sums over: a multiple of STEP, the last one may be shorter.
struct Part {
    int first, last;
    __device__ __forceinline__ Part(int depth) {
        const int each = (depth + gridDim.y * STEP - 1) / (gridDim.y * STEP) * STEP;
        first = min(depth, (int)blockIdx.y * each), last = min(depth, first + each);
    }
};

// This block's tile: which one along the rows, and its first column.
struct Spot {
    int tile, column;
    __device__ __forceinline__ Spot(int columns) {
        const int tiles = (columns + LINES - 1) / LINES;
        tile = blockIdx.x / tiles, column = blockIdx.x % tiles * LINES;
    }
};

template <class Math, int R>
__device__ __forceinline__ void conv2d(const REAL* __restrict__ x, const REAL* __restrict__ w,
                                       REAL* __restrict__ y, int N, int H, int W, int C, int kh,
                                       int kw, int O, int high, int wide, int sh, int sw, int ph,
                                       int pw) {
    const int rows = N * high * wide, depth = kh * kw * C;
    const Part part(depth);
    const Spot spot(O);
    const int row = spot.tile * LINES * R;
    Windows<R> a({x, H, W, C, C % 4 == 0 && aligned(x)}, kw, 1, part.first);
#pragma unroll
    for (int r = 0; r < R; ++r) {
        const int k = row + turned_line() + LINES * r;
        const Walk pixel(k, high, wide);
        a.line(r, pixel.a, k < rows ? pixel.b * sh - ph : OUTSIDE, pixel.c * sw - pw);
    }
    Matrix b(w, O, O % 4 == 0 && aligned(w), part.first, spot.column);
    typename Math::template Sums<R> sums;
    sums.multiply(a, b, part.first, part.last);
    sums.store(y + blockIdx.y * (rows * O), O - spot.column, O % 4 == 0 && aligned(y),
               [=](int i) { return row + i < rows ? (row + i) * O + spot.column : -1; });
}

// One axis of a phase of conv2d_input. With stride s, pixel i = start + s·t was read by the taps
// a = first, first + s, …, from the outputs t + shift, t + shift - 1, …: which taps does not depend
// on t. So the pixels of each phase (sh·sw of them) are a convolution of g of their own, with
// stride 1, and no multiplication by zeros between the pixels of a stretched g.
struct Phase {
    int start, count, first, taps, shift;
    __device__ __forceinline__ Phase(int start, int size, int kernel, int s, int p)
        : start(start), count((size - start + s - 1) / s), first((start + p) % s),
          taps(first < kernel ? (kernel - 1 - first) / s + 1 : 0), shift((start + p - first) / s) {}
};

// Blocks of one tile number lie together for all phases: they read the same part of g.
template <class Math, int R>
__device__ __forceinline__ void conv2d_input(const REAL* __restrict__ g, const REAL* __restrict__ w,
                                             REAL* __restrict__ x, int N, int H, int W, int C,
                                             int kh, int kw, int O, int high, int wide, int sh,
                                             int sw, int ph, int pw) {
    const Spot spot(C);
    const int across = min(sw, W), phases = min(sh, H) * across, phase = spot.tile % phases;
    const Phase p(phase / across, H, kh, sh, ph), q(phase % across, W, kw, sw, pw);
    const int rows = N * p.count * q.count, row = spot.tile / phases * LINES * R;
    if (row >= rows) return;  // later phases have fewer pixels; the whole block leaves
    const int taps = max(q.taps, 1);
    const Part part(p.taps * q.taps * O);
    Windows<R> a({g, high, wide, O, O % 4 == 0 && aligned(g)}, taps, -1, part.first);
#pragma unroll
    for (int r = 0; r < R; ++r) {
        const int k = row + turned_line() + LINES * r;
        const Walk pixel(k, p.count, q.count);
        a.line(r, pixel.a, k < rows ? pixel.b + p.shift : OUTSIDE, pixel.c + q.shift);
    }
    Taps b(w + (p.first * kw + q.first) * C * O, O, taps, sh * kw * C * O, sw * C * O,
           O % 4 == 0 && aligned(w), part.first, spot.column, C);
    typename Math::template Sums<R> sums;
    sums.multiply(a, b, part.first, part.last);
    sums.store(x + blockIdx.y * (N * H * W * C), C - spot.column, C % 4 == 0 && aligned(x),
               [=](int i) {
                   const Walk to(row + i, p.count, q.count);
                   const int line = to.a * H + p.start + to.b * sh;
                   return row + i < rows ? (line * W + q.start + to.c * sw) * C + spot.column : -1;
               });
}

template <class Math, int R>
__device__ __forceinline__ void conv2d_weight(const REAL* __restrict__ x,
                                              const REAL* __restrict__ g, REAL* __restrict__ w,
                                              int N, int H, int W, int C, int kh, int kw, int O,
                                              int high, int wide, int sh, int sw, int ph, int pw) {
    const int rows = kh * kw * C;
    const Part part(N * high * wide);
    const Spot spot(O);
    const int row = spot.tile * LINES * R;
    Pixels<R> a({x, H, W, C, C % 4 == 0 && aligned(x)}, high, wide, sh, sw, ph, pw, part.first);
    a.lines(row, rows, kw);
    Matrix b(g, O, O % 4 == 0 && aligned(g), part.first, spot.column);
    typename Math::template Sums<R> sums;
    sums.multiply(a, b, part.first, part.last);
    sums.store(w + blockIdx.y * (rows * O), O - spot.column, O % 4 == 0 && aligned(w),
               [=](int i) { return row + i < rows ? (row + i) * O + spot.column : -1; });
}

// The kernels by name: CONVOLUTIONS(Math) makes all six of one arithmetic.
#define CONVOLUTION_OF(Math, name, R)                                                             \
    KERNEL(name##_##R)(const REAL* __restrict__ a, const REAL* __restrict__ b,                    \
                       REAL* __restrict__ y, int N, int H, int W, int C, int kh, int kw, int O,   \
                       int high, int wide, int sh, int sw, int ph, int pw) {                      \
        name<Math, R>(a, b, y, N, H, W, C, kh, kw, O, high, wide, sh, sw, ph, pw);                \
    }
// WIDE becomes a number on the way, as in the kernels' names.
#define CONVOLUTION(Math, name, R) CONVOLUTION_OF(Math, name, R)
#define CONVOLUTIONS(Math)                                                   \
    CONVOLUTION(Math, conv2d, 1) CONVOLUTION(Math, conv2d, WIDE)             \
    CONVOLUTION(Math, conv2d_input, 1) CONVOLUTION(Math, conv2d_input, WIDE) \
    CONVOLUTION(Math, conv2d_weight, 1) CONVOLUTION(Math, conv2d_weight, WIDE)
