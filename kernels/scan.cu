// Running sums along an axis: tinygen/ops/scan.py.
//
// x is (outer, n, inner) in C order, n is cut into parts of `chunk` entries. First each part gets
// the running sums of its own and leaves its total in totals (outer, parts, inner); if there are
// several, totals becomes its own running sums by the same kernels, and add_before adds to each
// part what came before it. If `reverse`, n is counted from its end, the parts too. No result
// depends on the order in which blocks run. Bound by memory: x is read and y written, 8 bytes an
// entry of float, 16 where there are several parts.

#include "common.cuh"

// inner = 1: EACH entries a thread, so chunk = EACH · THREADS. Launch: one block for each part of
// each row.
KERNEL(running_sum_rows)(const REAL* __restrict__ x, REAL* __restrict__ y,
                         REAL* __restrict__ totals, int outer, int n, int inner, int parts,
                         int chunk, int reverse) {
    __shared__ REAL ends[THREADS / 32];  // of warps
    const int row = blockIdx.x / parts, first = blockIdx.x % parts * chunk + EACH * threadIdx.x;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    REAL v[EACH], sum = 0;
#pragma unroll
    for (int k = 0; k < EACH; ++k) {
        const int i = first + k;
        if (i < n) sum += x[row * n + (reverse ? n - 1 - i : i)];
        v[k] = sum;
    }
    REAL before = sum;  // becomes the sum of this and all lower lanes
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const REAL left = __shfl_up_sync(0xffffffffu, before, step);
        if (lane >= step) before += left;
    }
    if (lane == 31) ends[warp] = before;
    __syncthreads();
    REAL base = 0;
    for (int w = 0; w < warp; ++w) base += ends[w];
    if (threadIdx.x == blockDim.x - 1) totals[blockIdx.x] = base + before;
    const REAL left = __shfl_up_sync(0xffffffffu, before, 1);
    if (lane > 0) base += left;
#pragma unroll
    for (int k = 0; k < EACH; ++k) {
        const int i = first + k;
        if (i < n) y[row * n + (reverse ? n - 1 - i : i)] = base + v[k];
    }
}

// inner > 1: a thread goes down one column of one part. Launch: any grid of 256-thread blocks.
KERNEL(running_sum_columns)(const REAL* __restrict__ x, REAL* __restrict__ y,
                            REAL* __restrict__ totals, int outer, int n, int inner, int parts,
                            int chunk, int reverse) {
    const int all = outer * parts * inner;
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < all; at += gridDim.x * blockDim.x) {
        const int column = at % inner, part = at / inner % parts, row = at / inner / parts;
        const int from = part * chunk, to = min(from + chunk, n);
        REAL sum = 0;
#pragma unroll 4
        for (int i = from; i < to; ++i) {
            const int entry = (row * n + (reverse ? n - 1 - i : i)) * inner + column;
            sum += x[entry];
            y[entry] = sum;
        }
        totals[at] = sum;
    }
}

// y (outer, n, inner) += the total of all parts before an entry's own; totals are running sums.
// size: y's. Launch: any grid of 256-thread blocks.
KERNEL(add_before)(const REAL* __restrict__ totals, REAL* __restrict__ y, int size, int n,
                   int inner, int parts, int chunk, int reverse) {
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < size; at += gridDim.x * blockDim.x) {
        const int column = at % inner, i = at / inner % n, row = at / inner / n;
        const int part = (reverse ? n - 1 - i : i) / chunk;
        if (part > 0) y[at] += totals[(row * parts + part - 1) * inner + column];
    }
}
