// Matrix products, exact in REAL: tinygen/ops/linalg.py. TF32's are in linalg_tf32.cu.
//
// product_64 and product_128: y (…, n, m) = a (…, n, k) · b (…, k, m) + bias (m,), where the
// leading axes broadcast and either factor may be a transposed view.
// Launch: one block of 256 threads for every tile of 64 x 64 or 128 x 128, every part of k and
// every product. Bound by arithmetic, 2 n m k FLOPs, once n, m and k are a few hundred each; the
// panels of a tile are n m k (1 / SIDE + 1 / SIDE) numbers of memory or L2 traffic. The larger tile
// has twice the FLOPs a byte; the smaller one makes four times the blocks, to fill the GPU.
// Every entry is one sum in order of k: it does not depend on the tile, only on the parts.
//
// sum_parts: y[i] = Σ_p parts[p][i] + bias[i % m] in order of p, where a product has too few tiles
// to fill the GPU, and k was cut. Launch: grid-stride. Bound by memory: parts + 1 numbers an entry.

#include "common.cuh"
#include "linalg.cuh"

// A thread's EDGE x EDGE entries of a tile, in groups of 4 x 4 that lie 64 apart, so that the
// threads of a warp read neighbouring fours of the panels.
struct Exact {
    template <int SIDE, int DEPTH>
    static __device__ __forceinline__ void product(const Factor& a, const Factor& b,
                                                   const Place& at, const REAL* __restrict__ bias,
                                                   bool has_bias, REAL* __restrict__ out) {
        constexpr int PAD = 4, GROUPS = SIDE / 64, EDGE = 4 * GROUPS;
        const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
        REAL sum[EDGE][EDGE] = {};
        auto multiply = [&](const REAL(*as)[SIDE + PAD], const REAL(*bs)[SIDE + PAD]) {
#pragma unroll
            for (int k = 0; k < DEPTH; ++k) {
                Four x[GROUPS], w[GROUPS];
#pragma unroll
                for (int g = 0; g < GROUPS; ++g) {
                    x[g] = *reinterpret_cast<const Four*>(&as[k][64 * g + row]);
                    w[g] = *reinterpret_cast<const Four*>(&bs[k][64 * g + column]);
                }
#pragma unroll
                for (int i = 0; i < EDGE; ++i)
#pragma unroll
                    for (int j = 0; j < EDGE; ++j)
                        sum[i][j] += x[i / 4].v[i % 4] * w[j / 4].v[j % 4];
            }
        };
        auto exact = [](REAL v) { return v; };
        walk<SIDE, DEPTH, PAD>(a, b, at.row, at.column, at.k0, at.k1, exact, multiply);

        const int n = a.sides, m = b.sides;
        const bool fours = m % 4 == 0;  // y is memory of its own, so it is aligned
#pragma unroll
        for (int i = 0; i < EDGE; ++i)
#pragma unroll
            for (int g = 0; g < GROUPS; ++g) {
                const int r = at.row + i / 4 * 64 + row + i % 4, c = at.column + g * 64 + column;
                if (r >= n || c >= m) continue;
                Four t;
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    t.v[j] = sum[i][4 * g + j] + (has_bias && c + j < m ? bias[c + j] : REAL(0));
                REAL* to = out + r * m + c;
                if (fours) {
                    *reinterpret_cast<Four*>(to) = t;
                } else {
#pragma unroll
                    for (int j = 0; j < 4; ++j)
                        if (c + j < m) to[j] = t.v[j];
                }
            }
    }
};

PRODUCTS(Exact)

KERNEL(sum_parts)(const REAL* __restrict__ parts, const REAL* __restrict__ bias,
                  REAL* __restrict__ y, int size, int m, int count, int has_bias) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x) {
        REAL sum = 0;
#pragma unroll 8
        for (int p = 0; p < count; ++p) sum += parts[p * size + i];
        y[i] = has_bias ? sum + bias[i % m] : sum;
    }
}
