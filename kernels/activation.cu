// Activations: tinygen/ops/activation.py. Launch and limit: map.cuh.

#include "common.cuh"
#include "map.cuh"

__device__ __forceinline__ REAL logistic(REAL x) { return 1 / (1 + exp(-x)); }
// log(1 + e^-|x|)
__device__ __forceinline__ REAL log_1_plus(REAL x) { return log1p(exp(-fabs(x))); }

BINARY(log_bernoulli, a* b - (b > 0 ? b : 0) - log_1_plus(b))  // a: the target, b: the logit

UNARY(tanh, tanh(x))
UNARY(sigmoid, logistic(x))
UNARY(softplus, (x > 0 ? x : 0) + log_1_plus(x))
UNARY(log_sigmoid, (x < 0 ? x : 0) - log_1_plus(x))
UNARY_1(leaky_relu, x > 0 ? x : s * x)

// Gradients. a is the cotangent g of the output.
SAME(tanh_grad, a * (1 - b * b))     // b: tanh's output
SAME(sigmoid_grad, a * b * (1 - b))  // b: sigmoid's output
// g·(t - σ(l)), of log_bernoulli: 4 numbers an entry.
KERNEL(log_bernoulli_grad)(const REAL* __restrict__ g, const REAL* __restrict__ t,
                           const REAL* __restrict__ l, REAL* __restrict__ y, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        y[i] = g[i] * (t[i] - logistic(l[i]));
}
KERNEL(leaky_relu_grad)(const REAL* __restrict__ g, const REAL* __restrict__ x, REAL* __restrict__ y,
                       int n, REAL s) {
    map(g, x, y, n, [s](REAL g, REAL x) { return x > 0 ? g : s * g; });
}
