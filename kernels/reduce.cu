// Sums, maxima and log Σ eˣ over axes, softmax along one: tinygen/ops/reduce.py.
//
// x is (outer, n, inner) in C order and is reduced along n: y is (outer, inner), or (outer, parts,
// inner) where n is cut into parts, whose results a second launch reduces in the same way. No
// result depends on the order in which blocks run. Bound by memory: x is read once, 4 bytes an
// entry of float.

#include "common.cuh"

// The ops. A State is what is known of the entries seen so far, of(x) of one entry, join(a, b) of
// those of both. start(first) is a State to begin with: the maximum of no numbers is none, so Max
// begins with the first entry, and counts it twice, which changes no maximum.
struct Sum {
    typedef REAL State;
    INLINE State start(REAL first) { return 0; }
    INLINE State of(REAL x) { return x; }
    INLINE State join(State a, State b) { return a + b; }
    INLINE REAL result(State s) { return s; }
};

struct Max {
    typedef REAL State;
    INLINE State start(REAL first) { return first; }
    INLINE State of(REAL x) { return x; }
    INLINE State join(State a, State b) { return isnan(a) || a > b ? a : b; }  // NaN wins
    INLINE REAL result(State s) { return s; }
};

// sum = Σ e^(x - top), so nothing overflows. As log Σ eˣ of some numbers' own log Σ eˣ is that of
// them all, parts are reduced as x was. NaN, where it occurs, gets into the sum and stays there.
struct LogSumExp {
    struct State {
        REAL top, sum;
    };
    INLINE State start(REAL first) { return {first, 0}; }
    INLINE State of(REAL x) { return {x, 1}; }
    INLINE State join(State a, State b) {
        const REAL shrink = a.top == b.top ? REAL(1) : exp(-fabs(a.top - b.top));  // inf - inf: NaN
        return a.top > b.top ? State{a.top, a.sum + b.sum * shrink}
                             : State{b.top, b.sum + a.sum * shrink};
    }
    INLINE REAL result(State s) { return s.top + log(s.sum); }
};

INLINE REAL from_lane(REAL v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }
INLINE LogSumExp::State from_lane(LogSumExp::State s, int mask) {
    return {from_lane(s.top, mask), from_lane(s.sum, mask)};
}

// Joined over `lanes` neighbouring threads, a power of two up to 32; all get it, to the same bits.
template <class Op>
INLINE typename Op::State join_lanes(typename Op::State s, int lanes) {
    for (int mask = lanes / 2; mask > 0; mask /= 2) s = Op::join(s, from_lane(s, mask));
    return s;
}

// Joined over a block of up to 1024 threads, a multiple of 32, all of which call; all get it.
template <class Op>
INLINE typename Op::State join_block(typename Op::State s) {
    __shared__ typename Op::State part[32];
    s = join_lanes<Op>(s, 32);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = s;
    __syncthreads();
    s = part[0];
    for (int warp = 1; warp < blockDim.x / 32; ++warp) s = Op::join(s, part[warp]);
    return s;
}

// Thread `lane` of `lanes` takes its share of x[0 … n), in fours where x lies so that it can.
template <class Op>
INLINE typename Op::State share(const REAL* __restrict__ x, int n, int lane, int lanes) {
    typename Op::State s = Op::start(x[0]);
    const int fours = aligned(x) ? n / 4 : 0;
#pragma unroll 4
    for (int i = lane; i < fours; i += lanes) {
        const Four t = reinterpret_cast<const Four*>(x)[i];
        s = Op::join(s, Op::join(Op::join(Op::of(t.v[0]), Op::of(t.v[1])),
                                 Op::join(Op::of(t.v[2]), Op::of(t.v[3]))));
    }
    for (int i = 4 * fours + lane; i < n; i += lanes) s = Op::join(s, Op::of(x[i]));
    return s;
}

// inner = 1, short rows: `lanes` threads a row, as many as its length wants.
// Launch: one block of 256 for every 256 / lanes rows.
template <class Op>
INLINE void short_rows(const REAL* __restrict__ x, REAL* __restrict__ y, int rows, int n, int lanes,
                       REAL scale) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / lanes, lane = threadIdx.x % lanes;
    typename Op::State s = Op::start(0);
    if (row < rows) s = share<Op>(x + row * n, n, lane, lanes);
    s = join_lanes<Op>(s, lanes);  // by all of a warp, whether they have a row or not
    if (row < rows && lane == 0) y[row] = scale * Op::result(s);
}

// inner = 1, long rows. Launch: one block of 256 for each part of each row.
template <class Op>
INLINE void rows(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int parts, int chunk,
                 REAL scale) {
    const int row = blockIdx.x / parts, from = blockIdx.x % parts * chunk;
    const int size = min(chunk, n - from);
    const typename Op::State s =
        join_block<Op>(share<Op>(x + row * n + from, size, threadIdx.x, blockDim.x));
    if (threadIdx.x == 0) y[blockIdx.x] = scale * Op::result(s);
}

// inner > 1. Neighbouring threads take neighbouring columns, K of them each, so that a warp reads
// whole lines of memory; the threads above each other share the rows of a part.
// Launch: a block of (tx, ty), both powers of two, for each tile of K · tx columns, each part and
// each outer index, the tile fastest.
template <class Op, int K>
INLINE void columns(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int inner, int parts,
                    int chunk, REAL scale) {
    __shared__ typename Op::State part[THREADS][K];
    const int tx = blockDim.x, ty = blockDim.y, tiles = (inner / K + tx - 1) / tx;
    const int column = (blockIdx.x % tiles * tx + threadIdx.x) * K, at = blockIdx.x / tiles;
    const int from = at % parts * chunk, to = min(from + chunk, n);
    const int mine = threadIdx.y * tx + threadIdx.x;
    if (column < inner) {
        const REAL* own = x + at / parts * n * inner + column;
        typename Op::State s[K];
#pragma unroll
        for (int k = 0; k < K; ++k) s[k] = Op::start(own[from * inner + k]);
#pragma unroll 4
        for (int r = from + threadIdx.y; r < to; r += ty) {
            const Pack<K> t = *reinterpret_cast<const Pack<K>*>(own + r * inner);
#pragma unroll
            for (int k = 0; k < K; ++k) s[k] = Op::join(s[k], Op::of(t.v[k]));
        }
#pragma unroll
        for (int k = 0; k < K; ++k) part[mine][k] = s[k];
    }
    for (int half = ty / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half && column < inner)
            for (int k = 0; k < K; ++k)
                part[mine][k] = Op::join(part[mine][k], part[mine + half * tx][k]);
    }
    if (threadIdx.y == 0 && column < inner)
        for (int k = 0; k < K; ++k) y[at * inner + column + k] = scale * Op::result(part[mine][k]);
}

#define REDUCTION(name, Op)                                                                     \
    KERNEL(name##_short_rows)(const REAL* __restrict__ x, REAL* __restrict__ y, int rows, int n, \
                              int lanes, REAL scale) {                                          \
        short_rows<Op>(x, y, rows, n, lanes, scale);                                            \
    }                                                                                           \
    KERNEL(name##_rows)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int parts,     \
                        int chunk, REAL scale) {                                                \
        rows<Op>(x, y, n, parts, chunk, scale);                                                 \
    }                                                                                           \
    KERNEL(name##_columns_1)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int inner, \
                             int parts, int chunk, REAL scale) {                                \
        columns<Op, 1>(x, y, n, inner, parts, chunk, scale);                                    \
    }                                                                                           \
    KERNEL(name##_columns_4)(const REAL* __restrict__ x, REAL* __restrict__ y, int n, int inner, \
                             int parts, int chunk, REAL scale) {                                \
        columns<Op, 4>(x, y, n, inner, parts, chunk, scale);                                    \
    }

REDUCTION(sum, Sum)
REDUCTION(max, Max)
REDUCTION(logsumexp, LogSumExp)

// The second half of softmax along x[0], x[step], …: y = e^(x - top) / sum, or its logarithm.
template <bool LOG>
INLINE void normalised(const REAL* __restrict__ x, REAL* __restrict__ y, LogSumExp::State s, int n,
                       int lane, int lanes, int step) {
    const REAL sum = s.sum + (s.top - s.top);  // NaN where top is infinite, as in the formula
    const REAL log_sum = log(sum);
#pragma unroll 4
    for (int i = lane; i < n; i += lanes)
        y[i * step] = LOG ? x[i * step] - s.top - log_sum : exp(x[i * step] - s.top) / sum;
}

// Softmax of rows; launched as the reductions of rows, with parts = 1. Reads x twice, the second
// time mostly from the cache, and writes y: 8 to 12 bytes an entry of float.
template <bool LOG>
INLINE void softmax_short_rows(const REAL* __restrict__ x, REAL* __restrict__ y, int rows, int n,
                               int lanes) {
    const int row = (blockIdx.x * blockDim.x + threadIdx.x) / lanes, lane = threadIdx.x % lanes;
    LogSumExp::State s = LogSumExp::start(0);
    if (row < rows) s = share<LogSumExp>(x + row * n, n, lane, lanes);
    s = join_lanes<LogSumExp>(s, lanes);
    if (row < rows) normalised<LOG>(x + row * n, y + row * n, s, n, lane, lanes, 1);
}

template <bool LOG>
INLINE void softmax_rows(const REAL* __restrict__ x, REAL* __restrict__ y, int n) {
    const int at = blockIdx.x * n;
    const LogSumExp::State s =
        join_block<LogSumExp>(share<LogSumExp>(x + at, n, threadIdx.x, blockDim.x));
    normalised<LOG>(x + at, y + at, s, n, threadIdx.x, blockDim.x, 1);
}

// Softmax along the middle axis, one thread a column. It adds 64 numbers, then 64 such sums, and so
// on: rounding errors grow with how many are added one after the other. Launch: any grid of
// 256-thread blocks.
template <bool LOG>
INLINE void softmax_columns(const REAL* __restrict__ x, REAL* __restrict__ y, int outer, int n,
                            int inner) {
    const int all = outer * inner;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        const int at = i / inner * n * inner + i % inner;
        const LogSumExp::State none = LogSumExp::start(x[at]);
        LogSumExp::State few = none, some = none, s = none;  // of 64, of 64 · 64, of all
#pragma unroll 4
        for (int r = 0; r < n; ++r) {
            few = LogSumExp::join(few, LogSumExp::of(x[at + r * inner]));
            if (r % 64 == 63) some = LogSumExp::join(some, few), few = none;
            if (r % 4096 == 4095) s = LogSumExp::join(s, some), some = none;
        }
        s = LogSumExp::join(s, LogSumExp::join(some, few));
        normalised<LOG>(x + at, y + at, s, n, 0, 1, inner);
    }
}

#define SOFTMAX(name, LOG)                                                                       \
    KERNEL(name##_short_rows)(const REAL* __restrict__ x, REAL* __restrict__ y, int rows, int n, \
                              int lanes) {                                                       \
        softmax_short_rows<LOG>(x, y, rows, n, lanes);                                           \
    }                                                                                            \
    KERNEL(name##_rows)(const REAL* __restrict__ x, REAL* __restrict__ y, int n) {               \
        softmax_rows<LOG>(x, y, n);                                                              \
    }                                                                                            \
    KERNEL(name##_columns)(const REAL* __restrict__ x, REAL* __restrict__ y, int outer, int n,   \
                           int inner) {                                                          \
        softmax_columns<LOG>(x, y, outer, n, inner);                                             \
    }

SOFTMAX(softmax, false)
SOFTMAX(log_softmax, true)
