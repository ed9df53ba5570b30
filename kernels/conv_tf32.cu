// Convolutions on tensor cores: factors of float rounded to TF32, sums in float. Only by choice:
// tinygen/cuda/arithmetic.py. The kernels of conv.cu, with the same arguments and launches.
//
// Bound by the reads of shared memory that feed the tensor cores: in a step of 8 depths a warp
// reads 16·R rows and 32 columns for 4·R products of 16 × 8 × 8.

// There is nothing here for double: compiled for it, the file gives the same kernels of float.
#undef REAL
#define REAL float

#include "common.cuh"
#include "conv.cuh"
#include "mma.cuh"

// The arithmetic of this file.
template <int R>
struct Tf32Sums;
struct Tf32 {
    static constexpr int PAD = 8;  // the lanes of a fragment, 4 depths by 8 lines, in 32 banks
    static __device__ __forceinline__ float factor(float v) { return __int_as_float((int)tf32(v)); }
    template <int R>
    using Sums = Tf32Sums<R>;
};

// 4 × 2 warps: each has 16 rows (and those 64 below, if R = 2) of 32 columns, in pieces of 16 × 8,
// which lie across its lanes as mma.cuh says.
template <int R>
struct Tf32Sums {
    using Rows = Tile<Tf32, R>;
    using Columns = Tile<Tf32, 1>;
    float sum[R][4][4];
    __device__ __forceinline__ static int row() {
        return threadIdx.x / 64 * 16 + threadIdx.x % 32 / 4;
    }
    __device__ __forceinline__ static int column() { return threadIdx.x / 32 % 2 * 32; }

    template <class A, class B>
    __device__ __forceinline__ void multiply(A& a, B& b, int first, int last) {
#pragma unroll
        for (int i = 0; i < 16 * R; ++i) sum[i / 16][i / 4 % 4][i % 4] = 0;
        const int c = threadIdx.x % 4, at = column() + threadIdx.x % 32 / 4;
        auto bits = [](float v) { return (unsigned)__float_as_int(v); };
        sweep<Tf32, R>(a, b, first, last, [&](const Rows& rows, const Columns& columns) {
#pragma unroll
            for (int d = 0; d < STEP; d += 8) {
                unsigned u[R][4], v[4][2];
#pragma unroll
                for (int r = 0; r < R; ++r)
#pragma unroll
                    for (int q = 0; q < 4; ++q)
                        u[r][q] = bits(rows.at[d + c + q / 2 * 4][row() + LINES * r + q % 2 * 8]);
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int q = 0; q < 2; ++q)
                        v[j][q] = bits(columns.at[d + c + 4 * q][at + 8 * j]);
#pragma unroll
                for (int r = 0; r < R; ++r)
#pragma unroll
                    for (int j = 0; j < 4; ++j) mma_tf32(sum[r][j], u[r], v[j]);
            }
        });
    }

    // As conv.cu's. The four lanes of a row write 8 columns of it: whole sectors of 32 bytes.
    template <class Place>
    __device__ __forceinline__ void store(float* __restrict__ y, int columns, bool,
                                          Place place) const {
        const int x = column() + threadIdx.x % 4 * 2;
#pragma unroll
        for (int r = 0; r < R; ++r)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int at = place(row() + LINES * r + 8 * half);
                if (at < 0) continue;
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int q = 0; q < 2; ++q) {
                        const int to = x + 8 * j + q;
                        if (to < columns) y[at + to] = sum[r][j][2 * half + q];
                    }
            }
    }
};

CONVOLUTIONS(Tf32)
