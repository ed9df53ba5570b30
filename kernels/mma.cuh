// Tensor cores on float: TF32 products of one warp.
//
// TF32 has float's 8 bits of exponent and 10 of its 23 bits of mantissa. Factors are rounded to it
// by tf32(), products are exact and are summed in float. It needs compute capability 8.0: the
// caller must not launch such a kernel on an older GPU, where it traps.
//
// In m16n8k8 a warp computes d(16, 8) += a(16, 8) · b(8, 8), every matrix spread over its lanes.
// With r = lane / 4 and c = lane % 4 a lane holds:
//   a[0]: (row r, k c)   a[1]: (row r + 8, k c)
//   a[2]: (row r, k c + 4)   a[3]: (row r + 8, k c + 4)
//   b[0]: (k c, column r)   b[1]: (k c + 4, column r)
//   d[0], d[1]: (row r, columns 2c and 2c + 1)   d[2], d[3]: the same of row r + 8
// The order of the 8 products of a sum is the hardware's: results agree to float's rounding only.

// x rounded to TF32: to nearest, ties away from zero.
__device__ __forceinline__ unsigned tf32(float x) {
#if defined(CUDA_ON_HOST)
    const unsigned bits = (unsigned)__float_as_int(x), size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return 0x7fffffffu;  // NaN
    return size == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu;
#elif __CUDA_ARCH__ >= 800
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
#else
    return 0;
#endif
}

// d += a · b for the warp, all lanes of which must call.
__device__ __forceinline__ void mma_tf32(float d[4], const unsigned a[4], const unsigned b[2]) {
#if defined(CUDA_ON_HOST)
    // Each lane gathers its two rows of a and two columns of b from the lanes that hold them.
    const int lane = threadIdx.x & 31, r = lane >> 2, c = lane & 3;
    for (int half = 0; half < 2; ++half)
        for (int k = 0; k < 4; ++k) {
            float rows[2], columns[2];
            for (int i = 0; i < 2; ++i) {
                const unsigned x = __shfl_sync(0xffffffffu, a[2 * half + i], 4 * r + k);
                const unsigned y = __shfl_sync(0xffffffffu, b[half], 4 * (2 * c + i) + k);
                rows[i] = __int_as_float((int)(x & ~0x1fffu));  // hardware ignores the low bits
                columns[i] = __int_as_float((int)(y & ~0x1fffu));
            }
            for (int i = 0; i < 4; ++i) d[i] += rows[i >> 1] * columns[i & 1];
        }
#elif __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}
