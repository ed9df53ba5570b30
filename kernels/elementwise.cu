// Arithmetic and functions, entry by entry: tinygen/ops/elementwise.py. Launch and limit: map.cuh.

#include "common.cuh"
#include "map.cuh"

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a* b)
BINARY(div, a / b)
BINARY(power, pow(a, b))
BINARY(maximum, isnan(a) || a > b ? a : b)
BINARY(minimum, isnan(a) || a < b ? a : b)

UNARY(neg, -x)
UNARY(exp, exp(x))
UNARY(expm1, expm1(x))
UNARY(log, log(x))
UNARY(log1p, log1p(x))
UNARY(sqrt, sqrt(x))
UNARY(square, x* x)
UNARY(sin, sin(x))
UNARY(cos, cos(x))
UNARY(abs, fabs(x))
UNARY(sign, x > 0 ? 1 : x < 0 ? -1 : x)
UNARY_2(clip, x < s ? s : x > t ? t : x)
