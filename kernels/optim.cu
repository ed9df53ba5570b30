// One step of an optimiser for all its parameters in one launch: tinygen/optim/methods.py.
//
// A network has many small tensors: a launch for each would cost more time than its work. So they
// are cut into parts, each of a few thousand entries of one tensor, and each block looks up which
// part is its own, in two tables that tinygen/cuda/optim.py makes:
//
//   parts     (blocks, 4)   the tensor, its first entry here, the same entry's place in the state
//                           arrays (which are flat, all tensors in a row), how many entries
//   pointers  (tensors, 2)  where the tensor and its gradient are
//
// Bound by memory: reads p, g and N state arrays, writes all but g; Adam (N = 2) moves 7 numbers an
// entry (28 bytes of float), the others 5, in accesses of 16 bytes where all pointers allow them.

#include "common.cuh"

// Calls f(p, g, s, t) for each entry of the block's part, which moves p and the state: s is of the
// first state array, t of the last (the same one if N is 1).
template <int N, class F>
__device__ __forceinline__ void each(const int* parts, const unsigned long long* pointers,
                                     REAL* const (&state)[N], F f) {
    const int4 part = reinterpret_cast<const int4*>(parts)[blockIdx.x];
    const int tensor = part.x, first = part.y, place = part.z, n = part.w;
    REAL* p = reinterpret_cast<REAL*>(pointers[2 * tensor]) + first;
    const REAL* g = reinterpret_cast<const REAL*>(pointers[2 * tensor + 1]) + first;
    bool wide = aligned(p) && aligned(g);
#pragma unroll
    for (int a = 0; a < N; ++a) wide = wide && aligned(state[a] + place);
    const int fours = wide ? n / 4 : 0;
    for (int i = threadIdx.x; i < fours; i += blockDim.x) {
        Four p4 = reinterpret_cast<Four*>(p)[i], s4[N];
        const Four g4 = reinterpret_cast<const Four*>(g)[i];
#pragma unroll
        for (int a = 0; a < N; ++a) s4[a] = reinterpret_cast<Four*>(state[a] + place)[i];
#pragma unroll
        for (int k = 0; k < 4; ++k) f(p4.v[k], g4.v[k], s4[0].v[k], s4[N - 1].v[k]);
        reinterpret_cast<Four*>(p)[i] = p4;
#pragma unroll
        for (int a = 0; a < N; ++a) reinterpret_cast<Four*>(state[a] + place)[i] = s4[a];
    }
    for (int i = 4 * fours + threadIdx.x; i < n; i += blockDim.x)
        f(p[i], g[i], state[0][place + i], state[N - 1][place + i]);
}

// u ← momentum·u + g, p ← p - lr·u
KERNEL(sgd)(const int* parts, const unsigned long long* pointers, REAL* u, REAL momentum, REAL lr) {
    each<1>(parts, pointers, {u}, [=](REAL& p, REAL g, REAL& u, REAL&) {
        u = momentum * u + g;
        p -= lr * u;
    });
}

// v ← keep·v + take·g², p ← p - lr·g / (√v + ε). RMSProp has keep = decay, take = 1 - decay;
// Adagrad has both 1.
KERNEL(scaled)(const int* parts, const unsigned long long* pointers, REAL* v, REAL keep, REAL take,
               REAL lr, REAL eps) {
    each<1>(parts, pointers, {v}, [=](REAL& p, REAL g, REAL& v, REAL&) {
        v = keep * v + take * (g * g);
        p -= lr * g / (sqrt(v) + eps);
    });
}

// m ← β₁·m + (1 - β₁)·g, v ← β₂·v + (1 - β₂)·g², p ← p - lr·m / (√v + ε), with the corrections
// for the first steps in lr and ε. take1 is 1 - β₁, from the host, where it is exact. AdamW first
// has p ← keep·p, keep = 1 - lr·λ (by the lr without corrections); in Adam keep is 1.
KERNEL(adam)(const int* parts, const unsigned long long* pointers, REAL* m, REAL* v, REAL beta1,
             REAL take1, REAL beta2, REAL take2, REAL lr, REAL eps, REAL keep) {
    each<2>(parts, pointers, {m, v}, [=](REAL& p, REAL g, REAL& m, REAL& v) {
        m = beta1 * m + take1 * g;
        v = beta2 * v + take2 * (g * g);
        p = keep * p - lr * m / (sqrt(v) + eps);
    });
}
