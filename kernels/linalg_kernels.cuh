// The product kernels by name, by whatever arithmetic: Math, exact in linalg.cu, on tensor cores in
// linalg_tf32.cu, is a struct whose product<SIDE, DEPTH>(…) makes one block's tile of y.

#include "tiles.cuh"

// Blocks that an SM shall hold at a time: one multiplies while another waits at its barrier. This
// limits float to 128 registers a thread; double needs more.
constexpr int RESIDENT = 8 / sizeof(REAL);

// `bias` (m,) is added if has_bias. With parts > 1, y is (parts, batch, n, m), one sum over `chunk`
// of k each, for sum_parts.
#define PRODUCT(Math, SIDE, DEPTH)                                                                   \
    extern "C" __global__ void __launch_bounds__(256, RESIDENT) tg_product_##SIDE(              \
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
#define PRODUCTS(Math) PRODUCT(Math, 64, 16) PRODUCT(Math, 128, 8)
