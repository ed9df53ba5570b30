// Convolution of images (N, H, W, C) with weights (kh, kw, C, O), and its two gradients:
// tinygen/ops/conv.py. H' × W' is the output's size; x is 0 outside the image.
//
//   conv2d         y[n, i, j, o] = Σ_abc x[n, i·sh + a - ph, j·sw + b - pw, c] · w[a, b, c, o]
//   conv2d_input   x[n, i, j, c] = Σ_abo g[n, (i + ph - a) / sh, (j + pw - b) / sw, o] · w[a, b, c, o]
//                  over those (a, b) for which both quotients are whole and inside g
//   conv2d_weight  w[a, b, c, o] = Σ_nij x[n, i·sh + a - ph, j·sw + b - pw, c] · g[n, i, j, o]
//
// conv2d_naive is the first of them as it is written here: read it to know what the others compute.
// The kernels that ops launch compute them as products of matrices. conv.cuh says which products,
// and how they are launched; conv_tile.cuh, how a block of threads multiplies; conv_gather.cuh, how
// its numbers come out of images and weights. This file adds the arithmetic: exact sums in REAL,
// kept in registers. While a block sums 16 products for each entry of its tile, a thread does 256·R
// multiply-adds and reads 16 bytes from shared memory 16·(R + 1) times.

#include "common.cuh"
#include "conv.cuh"

// The definition, for readers and as a reference of the tests: no op launches it. One thread for
// each of the N·high·wide·O outputs, o fastest; every number is read from device memory.
KERNEL(conv2d_naive)(const REAL* __restrict__ x, const REAL* __restrict__ w, REAL* __restrict__ y,
                     int N, int H, int W, int C, int kh, int kw, int O, int high, int wide, int sh,
                     int sw, int ph, int pw) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= N * high * wide * O) return;
    const int o = at % O, j = at / O % wide, i = at / O / wide % high, n = at / O / wide / high;
    REAL sum = 0;
    for (int a = 0; a < kh; ++a)
        for (int b = 0; b < kw; ++b) {
            const int row = i * sh + a - ph, column = j * sw + b - pw;
            if (row < 0 || row >= H || column < 0 || column >= W) continue;  // 0 outside the image
            for (int c = 0; c < C; ++c)
                sum += x[((n * H + row) * W + column) * C + c] * w[((a * kw + b) * C + c) * O + o];
        }
    y[at] = sum;
}

// The arithmetic of this file; conv_tile.cuh says what its parts are for.
template <int R>
struct ExactSums;
struct Exact {
    static constexpr int PAD = sizeof(REAL) == 4 ? 4 : 0;  // of doubles, more would not fit 48 KiB
    static __device__ __forceinline__ REAL factor(REAL v) { return v; }
    template <int R>
    using Sums = ExactSums<R>;
};

// Each thread keeps 4·R × 4 sums in registers: rows row(i), columns from column() on.
template <int R>
struct ExactSums {
    using Rows = Tile<Exact, R>;
    using Columns = Tile<Exact, 1>;
    REAL sum[4 * R][4];
    __device__ __forceinline__ static int row(int i) {
        return threadIdx.x / 16 * 4 + i % 4 + i / 4 * LINES;
    }
    __device__ __forceinline__ static int column() { return threadIdx.x % 16 * 4; }

    template <class A, class B>
    __device__ __forceinline__ void multiply(A& a, B& b, int first, int last) {
#pragma unroll
        for (int i = 0; i < 4 * R; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) sum[i][j] = 0;
        sweep<Exact, R>(a, b, first, last, [this](const Rows& rows, const Columns& columns) {
#pragma unroll
            for (int d = 0; d < STEP; ++d) {
                const Four v = four(&columns.at[d][column()]);
#pragma unroll
                for (int r = 0; r < R; ++r) {
                    const Four u = four(&rows.at[d][row(4 * r)]);
#pragma unroll
                    for (int i = 0; i < 4; ++i)
#pragma unroll
                        for (int j = 0; j < 4; ++j) sum[4 * r + i][j] += u.v[i] * v.v[j];
                }
            }
        });
    }

    // Writes them into y. place(row) is the index in y at which that row of the tile begins, or -1
    // if it lies outside of y; from the tile's first column on, y has `columns` more.
    template <class Place>
    __device__ __forceinline__ void store(REAL* __restrict__ y, int columns, bool fours,
                                          Place place) const {
        const int x = column();
#pragma unroll
        for (int i = 0; i < 4 * R; ++i) {
            const int at = place(row(i));
            if (at < 0 || x >= columns) continue;
            if (fours) {
                *reinterpret_cast<Four*>(y + at + x) =
                    Four{{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}};
            } else {
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    if (x + j < columns) y[at + x + j] = sum[i][j];
            }
        }
    }
};

CONVOLUTIONS(Exact)

// conv2d_input for images of up to FEW channels (tinygen/cuda/sizes.py), as generators make them,
// where tiles of 64 columns would be mostly empty: one warp a pixel (n, i, j), lanes along o, each
// with a sum for every channel. Launch: one warp for each of `pixels` = N·H·W, 8 a block. Bound by
// reading g from the caches, once for each entry (a, b) of the kernel that read the pixel; at best
// by memory, 4 · (size of g + size of x) bytes of float.
KERNEL(conv2d_input_few)(const REAL* __restrict__ g, const REAL* __restrict__ w,
                         REAL* __restrict__ x, int pixels, int H, int W, int C, int kh, int kw,
                         int O, int high, int wide, int sh, int sw, int ph, int pw) {
    const int pixel = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (pixel >= pixels) return;
    const int n = pixel / W / H, i = pixel / W % H + ph, j = pixel % W + pw;
    REAL sum[FEW] = {};
    // (a, b) of the kernel read this pixel for output (q, p): q·sh + a = i + ph, p·sw + b = j + pw.
    for (int a = i % sh, q = i / sh; a < kh; a += sh, --q) {
        if ((unsigned)q >= (unsigned)high) continue;
        for (int b = j % sw, p = j / sw; b < kw; b += sw, --p) {
            if ((unsigned)p >= (unsigned)wide) continue;
            const REAL* from = g + ((n * high + q) * wide + p) * O;
            const REAL* tap = w + (a * kw + b) * C * O;
            for (int o = lane; o < O; o += 32) {
                const REAL u = from[o];
#pragma unroll
                for (int c = 0; c < FEW; ++c)
                    if (c < C) sum[c] += u * tap[c * O + o];
            }
        }
    }
#pragma unroll
    for (int c = 0; c < FEW; ++c) {
        if (c == C) break;
        const REAL total = warp_sum(sum[c]);
        if (lane == 0) x[pixel * C + c] = total;
    }
}

// y[i] = Σ_p part[p, i] of n entries, always in the same order. Launch: 32 entries a block of 256
// threads, whose 8 warps take every 8th part. Bound by memory: 4 · n · (parts + 1) bytes of float.
KERNEL(add_parts)(const REAL* __restrict__ part, REAL* __restrict__ y, int n, int parts) {
    constexpr int WARPS = THREADS / 32;
    __shared__ REAL sums[WARPS][32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, i = blockIdx.x * 32 + lane;
    REAL sum = 0;
    if (i < n)
#pragma unroll 4
        for (int p = warp; p < parts; p += WARPS) sum += part[p * n + i];
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp > 0 || i >= n) return;
#pragma unroll
    for (int k = 1; k < WARPS; ++k) sum += sums[k][lane];
    y[i] = sum;
}
