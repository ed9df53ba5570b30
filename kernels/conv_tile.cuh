// How a block of 256 threads computes its tile, 64·R rows by 64 columns, of y = A·B. It sums
// over the depth, which A's columns and B's rows have in common, in steps of 16: for each step it
// copies 64·R rows of A and 64 columns of B into shared memory. A line is either: a row of A or a
// column of B.
//
// `Math` is the arithmetic: exact in conv.cu, on tensor cores in conv_tf32.cu. It is a struct with
//   PAD             how many unused numbers lie between rows of a tile in shared memory, so that
//                   threads that go down a column do not read the same memory bank
//   factor(v)       what becomes of each number on its way into shared memory
//   Sums<R>         a thread's sums: multiply(a, b, first, last) makes them, store(…) writes them
//
// There are two pairs of buffers. While the block multiplies what is in one, its threads fetch the
// next numbers from device memory into registers, and then put them into the other: it takes one
// barrier a step, and arithmetic need not wait for memory.
#include "common.cuh"

constexpr int STEP = 16, LINES = TILE;
static_assert(TILE == 64 && THREADS == 256, "a thread's place in a tile is made for these numbers");

// What is in shared memory of a step, in the order in which the arithmetic reads it.
template <class Math, int R>
struct Tile {
    REAL at[STEP][LINES * R + Math::PAD];
};

// (a, b, c) of k = (a·height + b)·width + c. Dividing is slow, so `by` goes n further without it.
struct Walk {
    int a, b, c;
    __device__ __forceinline__ Walk(int k, int height, int width)
        : a(k / width / height), b(k / width % height), c(k % width) {}
    __device__ __forceinline__ void by(int n, int height, int width) {
        for (c += n; c >= width;) {
            c -= width;
            if (++b == height) b = 0, ++a;
        }
    }
};

__device__ __forceinline__ Four zeros() { return Four{{0, 0, 0, 0}}; }
__device__ __forceinline__ Four four(const REAL* p) { return *reinterpret_cast<const Four*>(p); }

// Which four numbers a thread copies, so that they are neighbours in device memory. If neighbours
// there are of one line, it takes four depths of a line, and writes them below each other (turned);
// if they are of one depth, four lines of a depth, side by side (straight).
__device__ __forceinline__ int turned_line() { return threadIdx.x / 4; }
__device__ __forceinline__ int turned_depth() { return threadIdx.x % 4 * 4; }
__device__ __forceinline__ int straight_line() { return threadIdx.x % 16 * 4; }
__device__ __forceinline__ int straight_depth() { return threadIdx.x / 16; }

template <class Math, int R>
__device__ __forceinline__ void put_turned(Tile<Math, R>& tile, const Four (&v)[R]) {
#pragma unroll
    for (int r = 0; r < R; ++r)
#pragma unroll
        for (int e = 0; e < 4; ++e)
            tile.at[turned_depth() + e][turned_line() + LINES * r] = Math::factor(v[r].v[e]);
}

template <class Math, int R>
__device__ __forceinline__ void put_straight(Tile<Math, R>& tile, const Four (&v)[R]) {
#pragma unroll
    for (int r = 0; r < R; ++r)
        *reinterpret_cast<Four*>(&tile.at[straight_depth()][straight_line() + LINES * r]) =
            Four{{Math::factor(v[r].v[0]), Math::factor(v[r].v[1]), Math::factor(v[r].v[2]),
                  Math::factor(v[r].v[3])}};
}

// Calls step(rows, columns) with the tiles A[64·R rows, 16 depths] and B[16 depths, 64 columns] for
// all depths first <= k < last. `a` and `b` gather: fetch(last) takes a thread's numbers of the
// next step into registers (0 from depth `last` on), put(tile) writes them into shared memory.
template <class Math, int R, class A, class B, class F>
__device__ __forceinline__ void sweep(A& a, B& b, int first, int last, F step) {
    __shared__ __align__(16) Tile<Math, R> rows[2];
    __shared__ __align__(16) Tile<Math, 1> columns[2];
    a.fetch(last), b.fetch(last);
    a.put(rows[0]), b.put(columns[0]);
    __syncthreads();
    for (int k = first, now = 0; k < last; k += STEP, now ^= 1) {
        const bool more = k + STEP < last;
        if (more) a.fetch(last), b.fetch(last);
        step(rows[now], columns[now]);
        if (more) a.put(rows[now ^ 1]), b.put(columns[now ^ 1]);
        __syncthreads();  // the next pair is whole, and this one may be written again
    }
}
