// Matrix products on tensor cores: factors of float rounded to TF32, sums in float. Only by choice:
// tinygen/cuda/arithmetic.py. The kernels of linalg.cu, with the same arguments and launches.
//
// Launch: as there; each of a block's 8 warps has SIDE / 2 rows of SIDE / 4 columns of the tile.
// Bound by tensor cores and by the reads of shared memory that feed them: for 8 of k a warp of the
// large tile reads (64 + 32) · 8 numbers, which is 24 instructions, for 16 mma's.

// There is nothing here for double: compiled for it, the file gives the same kernels of float.
#undef REAL
#define REAL float

#include "common.cuh"
#include "mma.cuh"
#include "linalg.cuh"

struct Tf32 {
    template <int SIDE, int DEPTH>
    static __device__ __forceinline__ void product(const Factor& a, const Factor& b,
                                                   const Place& at, const float* __restrict__ bias,
                                                   bool has_bias, float* __restrict__ out) {
        constexpr int PAD = 8;  // the lanes of a fragment, 4 of k by 8 of the side, in 32 banks
        constexpr int DOWN = SIDE / 2 / 16, ACROSS = SIDE / 4 / 8;  // a warp's tiles of 16 x 8
        const int warp = threadIdx.x / 32, r = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
        const int row = warp / 4 * (SIDE / 2), column = warp % 4 * (SIDE / 4);
        float sum[DOWN][ACROSS][4] = {};
        auto round = [](float v) { return __int_as_float((int)tf32(v)); };
        auto bits = [](float v) { return (unsigned)__float_as_int(v); };
        auto multiply = [&](const float(*as)[SIDE + PAD], const float(*bs)[SIDE + PAD]) {
#pragma unroll
            for (int k = 0; k < DEPTH; k += 8) {
                unsigned w[ACROSS][2];
#pragma unroll
                for (int j = 0; j < ACROSS; ++j)
#pragma unroll
                    for (int q = 0; q < 2; ++q)
                        w[j][q] = bits(bs[k + c + 4 * q][column + 8 * j + r]);
#pragma unroll
                for (int i = 0; i < DOWN; ++i) {
                    unsigned x[4];
#pragma unroll
                    for (int q = 0; q < 4; ++q)
                        x[q] = bits(as[k + c + q / 2 * 4][row + 16 * i + r + q % 2 * 8]);
#pragma unroll
                    for (int j = 0; j < ACROSS; ++j) mma_tf32(sum[i][j], x, w[j]);
                }
            }
        };
        walk<SIDE, DEPTH, PAD>(a, b, at.row, at.column, at.k0, at.k1, round, multiply);

        const int n = a.sides, m = b.sides;
#pragma unroll
        for (int i = 0; i < DOWN; ++i)
#pragma unroll
            for (int j = 0; j < ACROSS; ++j)
#pragma unroll
                for (int q = 0; q < 4; ++q) {
                    const int y = at.row + row + 16 * i + r + q / 2 * 8;
                    const int x = at.column + column + 8 * j + 2 * c + q % 2;
                    if (y < n && x < m)
                        out[y * m + x] = sum[i][j][q] + (has_bias ? bias[x] : 0.f);
                }
    }
};

PRODUCTS(Tf32)
