// Convolution of images (N, H, W, C) with weights (kh, kw, C, O), and its two gradients:
// tinygen/ops/conv.py. H' × W' is the output's size; x is 0 outside the image.
//
//   conv2d         y[n, i, j, o] = Σ_abc x[n, i·sh + a - ph, j·sw + b - pw, c] · w[a, b, c, o]
//   conv2d_input   x[n, i, j, c] = Σ_abo g[n, (i + ph - a) / sh, (j + pw - b) / sw, o] · w[a, b, c, o]
//                  over those (a, b) for which both quotients are whole and inside g
//   conv2d_weight  w[a, b, c, o] = Σ_nij x[n, i·sh + a - ph, j·sw + b - pw, c] · g[n, i, j, o]
//
// How they are products, and how they are launched: conv_kernels.cuh. Here they are exact in REAL.
// Per step of 16 depths a thread does 256·R multiply-adds for 16·(R + 1) reads of 16 bytes from
// shared memory.

#include "common.cuh"

constexpr int PAD = sizeof(REAL) == 4 ? 4 : 0;  // with doubles, more would not fit into 48 KiB
__device__ __forceinline__ REAL factor(REAL v) { return v; }
#include "conv_tile.cuh"
#include "conv_gather.cuh"
#include "conv_few.cuh"

// Each thread keeps 4·R × 4 sums in registers: rows row(i), columns from column() on.
template <int R>
struct Sums {
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
        sweep<R>(a, b, first, last, [this](const Tile<R>& rows, const Tile<1>& columns) {
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

    // Writes them into y: place(row) is where the row of this tile begins, or -1 outside of y;
    // `columns` are left in y from this tile's first one on.
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

#include "conv_kernels.cuh"

// y[i] = Σ_p part[p, i] of n entries, always in the same order. Launch: 32 entries a block of 256
// threads, whose 8 warps take every 8th part. Bound by memory: 4 · n · (parts + 1) bytes of float.
KERNEL(add_parts)(const REAL* __restrict__ part, REAL* __restrict__ y, int n, int parts) {
    __shared__ REAL sums[8][32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, i = blockIdx.x * 32 + lane;
    REAL sum = 0;
    if (i < n)
#pragma unroll 4
        for (int p = warp; p < parts; p += 8) sum += part[p * n + i];
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp > 0 || i >= n) return;
#pragma unroll
    for (int k = 1; k < 8; ++k) sum += sums[k][lane];
    y[i] = sum;
}
