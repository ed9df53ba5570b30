// Small kernels y = f(x) of n numbers, most with one bug that the stand-in has to find:
// tests/cuda/test_planted.py says for each how it is launched and what should be reported.
#include "common.cuh"

#define ARGS (const REAL* x, REAL* y, int n)
#define I const int i = threadIdx.x
#define GLOBAL_I const int i = blockIdx.x * blockDim.x + threadIdx.x

// --- without a bug ---

KERNEL(reversed) ARGS {
    __shared__ REAL s[64];
    I;
    s[i] = x[i];
    __syncthreads();
    y[i] = s[63 - i];
}

KERNEL(dynamic) ARGS {
    DYN_SHARED(REAL, s);
    I;
    s[i] = x[i];
    y[i] = s[i];
}

KERNEL(halo_tested) ARGS {
    I;
    y[i] = (i > 0 ? x[i - 1] : 0) + (i + 1 < n ? x[i + 1] : 0);
}

KERNEL(with_syncwarp) ARGS {
    __shared__ REAL s[32];
    I;
    s[i] = x[i];
    __syncwarp();
    y[i] = s[31 - i];
    __syncwarp();
    s[i] = 0;
}

KERNEL(atomic_sum) ARGS {
    GLOBAL_I;
    atomicAdd(y, x[i]);
}

KERNEL(two_block_sums) ARGS {
    __shared__ REAL part[32];
    I;
    y[i] = block_sum(x[i], part) + block_sum(-x[i], part);
}

// --- barriers ---

KERNEL(no_barrier) ARGS {
    __shared__ REAL s[64];
    I;
    s[i] = x[i];
    y[i] = s[i ^ 32];
}

KERNEL(no_barrier_before_the_next_tile) ARGS {
    __shared__ REAL s[64];
    I;
    for (int k = 0; k < 2; ++k) {
        s[i] = x[i];
        __syncthreads();
        y[i] = s[63 - i];
    }
}

KERNEL(no_syncwarp) ARGS {
    __shared__ REAL s[32];
    I;
    s[i] = x[i];
    y[i] = s[31 - i];
}

KERNEL(early_return) ARGS {
    __shared__ REAL s[64];
    I;
    if (i >= 60) return;
    s[i] = x[i];
    __syncthreads();
    y[i] = s[i];
}

KERNEL(divergent_barrier) ARGS {
    __shared__ REAL s[64];
    I;
    s[i] = x[i];
    if (i < 32)
        __syncthreads();
    else
        __syncthreads();
    y[i] = s[63 - i];
}

KERNEL(shuffle_in_a_branch) ARGS {
    I;
    REAL v = x[i];
    if (i % 32 < 16) v = warp_sum(v);
    __syncthreads();
    y[i] = v;
}

KERNEL(shuffle_from_lanes_that_left) ARGS {
    I;
    if (i % 32 < 16) y[i] = warp_sum(x[i]);
}

// --- memory ---

KERNEL(uninitialised) ARGS {
    __shared__ REAL s[64];
    I;
    if (i < 63) s[i] = x[i];
    __syncthreads();
    y[i] = s[63 - i];
}

KERNEL(past_the_end_of_shared_memory) ARGS {
    __shared__ REAL s[64];
    I;
    s[i] = x[i];
    __syncthreads();
    y[i] = s[64 - i];
}

KERNEL(no_edge_test) ARGS {
    GLOBAL_I;
    y[i] = x[i];
}

KERNEL(edge_test_off_by_one) ARGS {
    GLOBAL_I;
    if (i <= n) y[i] = i;
}

KERNEL(halo_not_tested) ARGS {
    I;
    y[i] = x[i - 1] + (i + 1 < n ? x[i + 1] : 0);
}

KERNEL(misaligned_four) ARGS {
    I;
    if (i < 15)
        *reinterpret_cast<Four*>(y + 4 * i) = *reinterpret_cast<const Four*>(x + 1 + 4 * i);
}

// --- blocks ---

KERNEL(sum_without_atomics) ARGS {
    GLOBAL_I;
    y[0] += x[i];
}

KERNEL(two_blocks_write_one_entry) ARGS {
    I;
    y[i] = 1;
}

KERNEL(reads_another_blocks_result) ARGS {
    GLOBAL_I;
    y[i] = x[i];
    __syncthreads();
    y[i] = y[(i + 32) % 64];
}
