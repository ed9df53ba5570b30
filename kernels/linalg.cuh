// Tiled matrix products, y (n, m) = a (n, k) · b (k, m): what linalg.cu and linalg_tf32.cu share.
// The arithmetic is theirs: a struct Math whose product<SIDE, DEPTH>(…) makes one block's tile of
// y.
//
// y is cut into tiles of SIDE x SIDE, a block of 256 threads each. The block goes along k by DEPTH:
// it copies a panel of a (SIDE rows) and one of b (SIDE columns) into shared memory, from where
// each entry is used SIDE times. While one pair of panels is multiplied, the next is on its way
// from memory to registers, and then goes to a second pair of buffers: one barrier a step.

#include "common.cuh"

// A factor: entry (s, k), s along its side of y (a's rows, b's columns), lies at
// p[s * side_step + k * depth_step]. One of the steps is 1, so a transposed view needs no copy.
struct Factor {
    const REAL* __restrict__ p;
    int sides, side_step, depth_step;
    bool fours;  // groups of four along the step of 1 may be read at once

    __device__ Factor(const REAL* p, int sides, int side_step, int depth_step)
        : p(p), sides(sides), side_step(side_step), depth_step(depth_step),
          fours(aligned(p) && (side_step == 1 ? depth_step : side_step) % 4 == 0) {}
};

// p[0] … p[3], zeros from p[left] on.
__device__ __forceinline__ Four read_four(const REAL* __restrict__ p, int left, bool fours) {
    if (fours && left >= 4) return *reinterpret_cast<const Four*>(p);
    Four t;
#pragma unroll
    for (int i = 0; i < 4; ++i) t.v[i] = i < left ? p[i] : REAL(0);
    return t;
}

// One thread's part of a panel, between memory and shared memory: FOURS times four entries along
// the step of 1. PAD more entries a row keep a warp's accesses in different banks.
template <int SIDE, int DEPTH, int PAD>
struct Panel {
    static constexpr int FOURS = SIDE * DEPTH / 4 / THREADS;
    Four v[FOURS];

    // Where four t lies in the panel. Along s a warp reads a row. Along k two threads read a sector
    // of 32 bytes, and a warp those of 16 neighbouring s, which go to different banks.
    static __device__ __forceinline__ int along_s(int t, int& k) {
        k = t / (SIDE / 4);
        return t % (SIDE / 4) * 4;
    }
    static __device__ __forceinline__ int along_k(int t, int& s) {
        s = t / 2 % SIDE;
        return t % 2 * 4 + t / (2 * SIDE) * 8;
    }

    // Entries (s0 …, k0 …); zeros outside the factor and from k1 on.
    __device__ __forceinline__ void fetch(const Factor& f, int s0, int k0, int k1) {
#pragma unroll
        for (int i = 0; i < FOURS; ++i) {
            const int t = threadIdx.x + THREADS * i;
            int s, k;
            if (f.side_step == 1) {
                s = s0 + along_s(t, k), k += k0;
                v[i] = read_four(f.p + k * f.depth_step + s, k < k1 ? f.sides - s : 0, f.fours);
            } else {
                k = k0 + along_k(t, s), s += s0;
                v[i] = read_four(f.p + s * f.side_step + k, s < f.sides ? k1 - k : 0, f.fours);
            }
        }
    }

    // To panel[k][s], each entry through `round`.
    template <class R>
    __device__ __forceinline__ void put(const Factor& f, REAL (*panel)[SIDE + PAD], R round) {
#pragma unroll
        for (int i = 0; i < FOURS; ++i) {
            const int t = threadIdx.x + THREADS * i;
            int s, k;
#pragma unroll
            for (int j = 0; j < 4; ++j) v[i].v[j] = round(v[i].v[j]);
            if (f.side_step == 1) {
                s = along_s(t, k);
                *reinterpret_cast<Four*>(&panel[k][s]) = v[i];
            } else {
                k = along_k(t, s);
#pragma unroll
                for (int j = 0; j < 4; ++j) panel[k + j][s] = v[i].v[j];
            }
        }
    }
};

// multiply(panel of a, panel of b) for all of k0 … k1; the tile starts at `row` and `column`.
template <int SIDE, int DEPTH, int PAD, class R, class M>
__device__ __forceinline__ void walk(const Factor& a, const Factor& b, int row, int column, int k0,
                                     int k1, R round, M multiply) {
    __shared__ __align__(16) REAL as[2][DEPTH][SIDE + PAD];
    __shared__ __align__(16) REAL bs[2][DEPTH][SIDE + PAD];
    Panel<SIDE, DEPTH, PAD> of_a, of_b;
    of_a.fetch(a, row, k0, k1);
    of_b.fetch(b, column, k0, k1);
    of_a.put(a, as[0], round);
    of_b.put(b, bs[0], round);
    __syncthreads();
    for (int k = k0, now = 0; k < k1; k += DEPTH, now ^= 1) {
        const bool more = k + DEPTH < k1;
        if (more) {
            of_a.fetch(a, row, k + DEPTH, k1);
            of_b.fetch(b, column, k + DEPTH, k1);
        }
        multiply(as[now], bs[now]);
        if (more) {  // nobody reads these buffers: all have passed the barrier since
            of_a.put(a, as[now ^ 1], round);
            of_b.put(b, bs[now ^ 1], round);
        }
        __syncthreads();
    }
}

// Which tile of which product of the batch, and which part of k, is a block's. Blocks count
// columns of tiles fastest, then rows, parts of k, and products.
struct Place {
    int row, column, k0, k1, part, batch;

    __device__ Place(int side, int n, int m, int k, int chunk, int parts) {
        const int columns = (m + side - 1) / side, rows = (n + side - 1) / side;
        int i = blockIdx.x;
        column = i % columns * side, i /= columns;
        row = i % rows * side, i /= rows;
        part = i % parts, batch = i / parts;
        k0 = part * chunk, k1 = min(k, k0 + chunk);
    }
};

// The leading axes: product i of the batch, of sizes (…, n1, n2, n3), has factors that go by the
// steps s0 … s3, counted in matrices, 0 where they repeat.
__device__ __forceinline__ int matrix(int i, int n1, int n2, int n3, int s0, int s1, int s2,
                                      int s3) {
    const int i3 = i % n3, i2 = i / n3 % n2, r1 = i / n3 / n2;
    return r1 / n1 * s0 + r1 % n1 * s1 + i2 * s2 + i3 * s3;
}

// Blocks that an SM shall hold at a time: one multiplies while another waits at its barrier. This
// limits float to 128 registers a thread; double needs more.
constexpr int RESIDENT = 8 / sizeof(REAL);

// `bias` (m,) is added if has_bias. With parts > 1, y is (parts, batch, n, m), one sum over `chunk`
// of k each, for sum_parts.
#define PRODUCT_OF(Math, SIDE, DEPTH)                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) tg_product_##SIDE(          \
        const REAL* __restrict__ a, const REAL* __restrict__ b, const REAL* __restrict__ bias,  \
        REAL* __restrict__ y, int batch, int n, int m, int k, int a_row, int a_k, int b_k,      \
        int b_column, int has_bias, int chunk, int parts, int n0, int n1, int n2, int n3,       \
        int a0, int a1, int a2, int a3, int b0, int b1, int b2, int b3) {                       \
        const Place at(SIDE, n, m, k, chunk, parts);                                            \
        const int of_a = matrix(at.batch, n1, n2, n3, a0, a1, a2, a3) * n * k;                  \
        const int of_b = matrix(at.batch, n1, n2, n3, b0, b1, b2, b3) * k * m;                  \
        const Factor left(a + of_a, n, a_row, a_k), right(b + of_b, m, b_column, b_k);          \
        Math::product<SIDE, DEPTH>(left, right, at, bias, has_bias,                             \
                                   y + (at.part * batch + at.batch) * n * m);                   \
    }
// SMALL and LARGE become numbers on the way, as in the kernels' names.
#define PRODUCT(Math, SIDE, DEPTH) PRODUCT_OF(Math, SIDE, DEPTH)
#define PRODUCTS(Math) PRODUCT(Math, SMALL, PANEL) PRODUCT(Math, LARGE, PANEL / 2)
