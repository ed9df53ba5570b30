// Entries picked and added along an axis: tinygen/ops/along_axis.py.
//
// All arrays are (outer, length, inner) in C order and differ in length only. Launch: any grid of
// 256-thread blocks, a thread for an entry of y. Bound by memory: x is read in
// whatever order the indices ask for.

#include "common.cuh"

// y[o, k, i] = x[o, index[o, k, i], i], NaN where there is no such entry. x has length m, index and
// y have n; size is y's.
KERNEL(gather)(const REAL* __restrict__ x, const long long* __restrict__ index,
               REAL* __restrict__ y, int size, int m, int n, int inner) {
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < size; at += gridDim.x * blockDim.x) {
        const long long k = index[at];
        const int i = at % inner, o = at / inner / n;
        y[at] = k < 0 || k >= m ? REAL(nan("")) : x[(o * m + (int)k) * inner + i];
    }
}

// y[o, k, i] = Σ of x[o, j, i] with index[o, j, i] = k. x, index and order have length n, y has m;
// size is y's. order[o, :, i] sorts the indices of a column, so that those of one k lie together;
// a search finds the first of them, and they are added in the order of j: no atomics, same bits.
// All of a column is NaN if one of its indices names no entry.
KERNEL(scatter)(const REAL* __restrict__ x, const long long* __restrict__ index,
                const long long* __restrict__ order, REAL* __restrict__ y, int size, int m, int n,
                int inner) {
    for (int at = blockIdx.x * blockDim.x + threadIdx.x; at < size; at += gridDim.x * blockDim.x) {
        const int i = at % inner, k = at / inner % m, column = at / inner / m * n * inner + i;
        const auto place = [&](int j) { return column + (int)order[column + j * inner] * inner; };
        REAL sum = 0;
        if (n > 0 && (index[place(0)] < 0 || index[place(n - 1)] >= m)) sum = REAL(nan(""));
        int lo = 0, hi = n;
        while (lo < hi) {
            const int middle = (lo + hi) / 2;
            if (index[place(middle)] < k)
                lo = middle + 1;
            else
                hi = middle;
        }
        for (int j = lo; j < n && index[place(j)] == k; ++j) sum += x[place(j)];
        y[at] = sum;
    }
}
