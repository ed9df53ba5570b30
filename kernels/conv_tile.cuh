// One block's tile of a product y = A·B whose entries are gathered: 64·R rows by 64 columns, summed
// over a depth that goes by in steps of 16, by 256 threads.
//
// `Math` is the arithmetic: exact in conv.cu, on tensor cores in conv_tf32.cu. It is a struct with
//   PAD             how many unused numbers lie between two rows of a tile in shared memory, so that
//                   threads that go down a column do not read the same memory bank
//   factor(v)       what becomes of each number on its way into shared memory
//   Sums<R>         a thread's sums: multiply(a, b, first, last) makes them, store(…) writes them
//
// While the block works on one pair of tiles in shared memory, its threads fetch the next numbers
// into registers and then put them into the other pair: one barrier a step, and the way from device
// memory is hidden behind arithmetic.
#include "common.cuh"

constexpr int STEP = 16, LINES = TILE;
static_assert(TILE == 64 && THREADS == 256, "a thread's place in a tile is made for these numbers");

// Tiles lie as [depth][line], as the arithmetic reads them.
template <class Math, int R>
struct Tile {
    REAL at[STEP][LINES * R + Math::PAD];
};

// k = (a·height + b)·width + c, stepped without divisions.
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

// How a thread takes part in filling a tile. Where memory runs along the depth it takes four
// depths of one line and turns them; where it runs along the lines, four lines of one depth.
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
// all depths first <= k < last. `a` and `b` gather: fetch(last) takes a thread's numbers of the next
// step into registers (0 from depth `last` on), put(tile) writes them into shared memory.
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
