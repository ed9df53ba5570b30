// Batch norm and layer norm, forward and gradients: tinygen/ops/normalise.py. x̂ = (x - mean) ·
// scale, scale = 1/√(var + ε), y = γ · x̂ + β.
//
// Batch norm is over the rows of x (n, C): "columns" kernels. Neighbouring threads take
// neighbouring columns, K of them each, and go down a part of the rows; those with the same columns
// join their results. Launch: a block of (tx, ty), both powers of two, for each tile of K · tx
// columns and each part of `chunk` rows, the tile fastest. Layer norm is along the rows of x (rows,
// n): a warp or a block a row. All are bound by memory; a comment says how often an entry (4 bytes
// of float) moves.

#include "common.cuh"

typedef const REAL* __restrict__ In;  // arrays that are read, and those that are written
typedef REAL* __restrict__ Out;

template <int K>
INLINE Pack<K> load(const REAL* p) {
    return *reinterpret_cast<const Pack<K>*>(p);
}

template <int K>
INLINE void store(REAL* p, Pack<K> t) {
    *reinterpret_cast<Pack<K>*>(p) = t;
}

// Where a thread of a columns kernel works: its first column, its part's rows [from, to).
template <int K>
struct Place {
    int column, part, from, to;
    __device__ __forceinline__ Place(int n, int C, int chunk) {
        const int tiles = (C / K + blockDim.x - 1) / blockDim.x;
        column = (blockIdx.x % tiles * blockDim.x + threadIdx.x) * K;
        part = blockIdx.x / tiles;
        from = part * chunk;
        to = min(from + chunk, n);
    }
};

// Joins the states s[K] of the threads of one threadIdx.x into part[threadIdx.x]. part is the
// block's, [ty][tx][K]. All threads call; those of threadIdx.y = 0 may read the result.
template <int K, class State>
INLINE void join_down(const State (&s)[K], State (*part)[K]) {
    const int tx = blockDim.x, mine = threadIdx.y * tx + threadIdx.x;
#pragma unroll
    for (int k = 0; k < K; ++k) part[mine][k] = s[k];
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half)
            for (int k = 0; k < K; ++k)
                part[mine][k] = join(part[mine][k], part[mine + half * tx][k]);
    }
}

// n numbers: their mean, and the sum of their squares about it.
struct Moments {
    REAL n, mean, squares;
};

// Of two sets as one (Chan, Golub & LeVeque 1979).
INLINE Moments join(Moments a, Moments b) {
    const REAL n = a.n + b.n, step = b.mean - a.mean, share = n > 0 ? b.n / n : 0;
    return {n, a.mean + step * share, a.squares + b.squares + step * step * (share * a.n)};
}

// Each part's moments of d = x - x[0], by Welford's method -> means, squares (parts, C). That of
// the first row keeps the digits of d where the mean is large. Reads an entry once.
template <int K>
INLINE void moments(In x, Out means, Out squares, int n, int C, int chunk) {
    __shared__ Moments part[THREADS][K];
    const Place<K> at(n, C, chunk);
    Moments s[K] = {};
    if (at.column < C) {
        const Pack<K> first = load<K>(x + at.column);
        REAL count = 0;
#pragma unroll 4
        for (int r = at.from + threadIdx.y; r < at.to; r += blockDim.y) {
            const Pack<K> t = load<K>(x + r * C + at.column);
            count += 1;
            const REAL share = 1 / count;
#pragma unroll
            for (int k = 0; k < K; ++k) {
                const REAL d = t.v[k] - first.v[k], step = d - s[k].mean;
                s[k].mean += step * share;
                s[k].squares += step * (d - s[k].mean);
            }
        }
        for (int k = 0; k < K; ++k) s[k].n = count;
    }
    join_down<K>(s, part);
    if (threadIdx.y == 0 && at.column < C)
        for (int k = 0; k < K; ++k) {
            means[at.part * C + at.column + k] = part[threadIdx.x][k].mean;
            squares[at.part * C + at.column + k] = part[threadIdx.x][k].squares;
        }
}

// The parts' moments as one -> mean, var (biased), scale (C,). Launch: a block of (32, 8) for every
// 32 columns. Small: it reads 2 · parts · C numbers.
KERNEL(join_moments)(In x, In means, In squares, Out mean, Out var, Out scale, int n, int C,
                     int parts, int chunk, REAL eps) {
    __shared__ Moments part[THREADS][1];
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    Moments s[1] = {};
    if (c < C)
        for (int p = threadIdx.y; p < parts; p += blockDim.y)
            s[0] = join(s[0], Moments{REAL(min(chunk, n - p * chunk)), means[p * C + c],
                                      squares[p * C + c]});
    join_down<1>(s, part);
    if (threadIdx.y == 0 && c < C) {
        const Moments all = part[threadIdx.x][0];
        mean[c] = x[c] + all.mean;
        var[c] = all.squares / n;
        scale[c] = 1 / sqrt(all.squares / n + eps);
    }
}

// y = (x - mean) · scale · γ + β. Reads an entry and writes one.
template <int K>
INLINE void scale_and_shift(In x, In mean, In scale, In gamma, In beta, Out y, int n, int C,
                            int chunk) {
    const Place<K> at(n, C, chunk);
    if (at.column >= C) return;
    REAL centre[K], slope[K], shift[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int c = at.column + k;
        centre[k] = mean[c], slope[k] = scale[c] * gamma[c], shift[k] = beta[c];
    }
#pragma unroll 4
    for (int r = at.from + threadIdx.y; r < at.to; r += blockDim.y) {
        Pack<K> t = load<K>(x + r * C + at.column);
#pragma unroll
        for (int k = 0; k < K; ++k) t.v[k] = (t.v[k] - centre[k]) * slope[k] + shift[k];
        store(y + r * C + at.column, t);
    }
}

struct Sums {
    REAL g, gx;
};
INLINE Sums join(Sums a, Sums b) { return {a.g + b.g, a.gx + b.gx}; }

// Each part's (Σ g, Σ g · x̂) down its rows -> sums (2, parts, C); mean and scale are the columns'
// (C,) for batch norm, the rows' (n,) for layer norm. Reads two entries.
template <int K, bool LAYER = false>
INLINE void gradient_sums(In g, In x, In mean, In scale, Out sums, int n, int C, int parts,
                          int chunk) {
    __shared__ Sums part[THREADS][K];
    const Place<K> at(n, C, chunk);
    Sums s[K] = {};
    if (at.column < C) {
        REAL centre[K], slope[K];
#pragma unroll
        for (int k = 0; k < K; ++k) {
            centre[k] = LAYER ? REAL(0) : mean[at.column + k];
            slope[k] = LAYER ? REAL(0) : scale[at.column + k];
        }
#pragma unroll 4
        for (int r = at.from + threadIdx.y; r < at.to; r += blockDim.y) {
            const Pack<K> u = load<K>(g + r * C + at.column), t = load<K>(x + r * C + at.column);
#pragma unroll
            for (int k = 0; k < K; ++k) {
                if (LAYER) centre[k] = mean[r], slope[k] = scale[r];
                s[k].g += u.v[k];
                s[k].gx += u.v[k] * ((t.v[k] - centre[k]) * slope[k]);
            }
        }
    }
    join_down<K>(s, part);
    if (threadIdx.y == 0 && at.column < C)
        for (int k = 0; k < K; ++k) {
            sums[at.part * C + at.column + k] = part[threadIdx.x][k].g;
            sums[(parts + at.part) * C + at.column + k] = part[threadIdx.x][k].gx;
        }
}

template <int K>
INLINE void layer_gradient_sums(In g, In x, In mean, In scale, Out sums, int n, int C, int parts,
                                int chunk) {
    gradient_sums<K, true>(g, x, mean, scale, sums, n, C, parts, chunk);
}

// dx = γ · scale · (g - mean(g) - x̂ · mean(g · x̂)), from Σ g and Σ g · x̂ (C,) each. Reads two
// entries, writes one.
template <int K>
INLINE void batch_norm_grad(In g, In x, In mean, In scale, In gamma, In sum_g, In sum_gx, Out dx,
                            int n, int C, int chunk) {
    const Place<K> at(n, C, chunk);
    if (at.column >= C) return;
    REAL centre[K], slope[K], mean_g[K], factor[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int c = at.column + k;
        centre[k] = mean[c], slope[k] = sum_gx[c] / n * scale[c];
        mean_g[k] = sum_g[c] / n, factor[k] = gamma[c] * scale[c];
    }
#pragma unroll 4
    for (int r = at.from + threadIdx.y; r < at.to; r += blockDim.y) {
        Pack<K> u = load<K>(g + r * C + at.column);
        const Pack<K> t = load<K>(x + r * C + at.column);
#pragma unroll
        for (int k = 0; k < K; ++k)
            u.v[k] = (u.v[k] - mean_g[k] - (t.v[k] - centre[k]) * slope[k]) * factor[k];
        store(dx + r * C + at.column, u);
    }
}

// Who works on a row: a warp (blocks of 256: eight rows), or a block of THREADS or ROW threads.
template <bool WARP>
struct Team {
    int row, lane, lanes;
    __device__ __forceinline__ Team() {
        row = WARP ? blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32 : blockIdx.x;
        lane = WARP ? threadIdx.x % 32 : threadIdx.x;
        lanes = WARP ? 32 : blockDim.x;
    }
    __device__ __forceinline__ REAL sum(REAL v) const {
        if (WARP) return warp_sum(v);
        __shared__ REAL part[32];
        return block_sum(v, part);
    }
};

// y = x̂ · γ + β along each row, and the row's mean and scale. The mean is x[0]'s plus that of the
// differences from it, which keeps their digits where it is large. Reads an entry of x three times,
// twice from the cache, and writes one.
template <bool WARP, int K>
INLINE void layer_norm(In x, In gamma, In beta, Out y, Out mean, Out scale, int rows, int n,
                       REAL eps) {
    const Team<WARP> team;
    if (team.row < rows) {  // the whole team or none of it
        x += team.row * n, y += team.row * n;
        const REAL first = x[0];
        REAL sum = 0, squares = 0;
#pragma unroll 4
        for (int i = team.lane * K; i < n; i += team.lanes * K) {
            const Pack<K> t = load<K>(x + i);
#pragma unroll
            for (int k = 0; k < K; ++k) sum += t.v[k] - first;
        }
        const REAL centre = team.sum(sum) / n;  // of x - first
#pragma unroll 4
        for (int i = team.lane * K; i < n; i += team.lanes * K) {
            const Pack<K> t = load<K>(x + i);
#pragma unroll
            for (int k = 0; k < K; ++k) {
                const REAL d = t.v[k] - first - centre;
                squares += d * d;
            }
        }
        const REAL slope = 1 / sqrt(team.sum(squares) / n + eps);
#pragma unroll 4
        for (int i = team.lane * K; i < n; i += team.lanes * K) {
            Pack<K> t = load<K>(x + i);
            const Pack<K> a = load<K>(gamma + i), b = load<K>(beta + i);
#pragma unroll
            for (int k = 0; k < K; ++k)
                t.v[k] = (t.v[k] - first - centre) * slope * a.v[k] + b.v[k];
            store(y + i, t);
        }
        if (team.lane == 0) mean[team.row] = first + centre, scale[team.row] = slope;
    }
}

// dx = scale · (h - mean(h) - x̂ · mean(h · x̂)) along each row, h = g · γ. Reads g and x twice,
// once from the cache, and writes an entry.
template <bool WARP, int K>
INLINE void layer_norm_grad(In g, In x, In mean, In scale, In gamma, Out dx, int rows, int n) {
    const Team<WARP> team;
    if (team.row < rows) {
        g += team.row * n, x += team.row * n, dx += team.row * n;
        const REAL centre = mean[team.row], slope = scale[team.row];
        REAL h = 0, hx = 0;
#pragma unroll 4
        for (int i = team.lane * K; i < n; i += team.lanes * K) {
            const Pack<K> u = load<K>(g + i), t = load<K>(x + i), a = load<K>(gamma + i);
#pragma unroll
            for (int k = 0; k < K; ++k) {
                h += u.v[k] * a.v[k];
                hx += u.v[k] * a.v[k] * ((t.v[k] - centre) * slope);
            }
        }
        h = team.sum(h) / n, hx = team.sum(hx) / n;
#pragma unroll 4
        for (int i = team.lane * K; i < n; i += team.lanes * K) {
            Pack<K> u = load<K>(g + i);
            const Pack<K> t = load<K>(x + i), a = load<K>(gamma + i);
#pragma unroll
            for (int k = 0; k < K; ++k)
                u.v[k] = (u.v[k] * a.v[k] - h - (t.v[k] - centre) * slope * hx) * slope;
            store(dx + i, u);
        }
    }
}

// The kernels by name: _1 and _4 say K; warp and block the team.
#define COLUMNS(name, parameters, arguments)              \
    KERNEL(name##_1) parameters { name<1> arguments; }     \
    KERNEL(name##_4) parameters { name<4> arguments; }
#define ROWS_KERNEL(name) extern "C" __global__ void __launch_bounds__(ROW) tg_##name
#define ROWS(name, parameters, arguments)                                     \
    ROWS_KERNEL(name##_warp_1) parameters { name<true, 1> arguments; }         \
    ROWS_KERNEL(name##_warp_4) parameters { name<true, 4> arguments; }         \
    ROWS_KERNEL(name##_block_1) parameters { name<false, 1> arguments; }       \
    ROWS_KERNEL(name##_block_4) parameters { name<false, 4> arguments; }

COLUMNS(moments, (In x, Out means, Out squares, int n, int C, int chunk),
        (x, means, squares, n, C, chunk))
COLUMNS(scale_and_shift,
        (In x, In mean, In scale, In gamma, In beta, Out y, int n, int C, int chunk),
        (x, mean, scale, gamma, beta, y, n, C, chunk))
COLUMNS(gradient_sums,
        (In g, In x, In mean, In scale, Out sums, int n, int C, int parts, int chunk),
        (g, x, mean, scale, sums, n, C, parts, chunk))
COLUMNS(layer_gradient_sums,
        (In g, In x, In mean, In scale, Out sums, int n, int C, int parts, int chunk),
        (g, x, mean, scale, sums, n, C, parts, chunk))
COLUMNS(batch_norm_grad,
        (In g, In x, In mean, In scale, In gamma, In sum_g, In sum_gx, Out dx, int n, int C,
         int chunk),
        (g, x, mean, scale, gamma, sum_g, sum_gx, dx, n, C, chunk))
ROWS(layer_norm,
     (In x, In gamma, In beta, Out y, Out mean, Out scale, int rows, int n, REAL eps),
     (x, gamma, beta, y, mean, scale, rows, n, eps))
ROWS(layer_norm_grad,
     (In g, In x, In mean, In scale, In gamma, Out dx, int rows, int n),
     (g, x, mean, scale, gamma, dx, rows, n))
