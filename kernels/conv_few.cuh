// conv2d_input for images of few channels, as generators make them, where tiles of 64 columns would
// be mostly empty: one warp a pixel (n, i, j), lanes along o, each with a sum for every channel.
// Launch: one warp for each of `pixels` = N·H·W, 8 a block. Bound by reading g from the caches, once
// for each tap of a pixel's phase: at best by memory, 4 · (size of g + size of x) bytes of float.
constexpr int FEW = 4;

KERNEL(conv2d_input_few)(const REAL* __restrict__ g, const REAL* __restrict__ w,
                         REAL* __restrict__ x, int pixels, int H, int W, int C, int kh, int kw,
                         int O, int high, int wide, int sh, int sw, int ph, int pw) {
    const int pixel = blockIdx.x * 8 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (pixel >= pixels) return;
    const int n = pixel / W / H, i = pixel / W % H + ph, j = pixel % W + pw;
    REAL sum[FEW] = {0, 0, 0, 0};
    // Tap a read this pixel for output q where q·sh + a = i + ph; likewise b, for p, along the row.
    for (int a = i % sh, q = i / sh; a < kh; a += sh, --q) {
        if ((unsigned)q >= (unsigned)high) continue;
        for (int b = j % sw, p = j / sw; b < kw; b += sw, --p) {
            if ((unsigned)p >= (unsigned)wide) continue;
            const REAL* from = g + ((n * high + q) * wide + p) * O;
            const REAL* tap = w + (a * kw + b) * C * O;
            for (int o = lane; o < O; o += 32) {
                const REAL u = from[o];
#pragma unroll
                for (int c = 0; c < FEW; ++c)
                    if (c < C) sum[c] += u * tap[c * O + o];
            }
        }
    }
#pragma unroll
    for (int c = 0; c < FEW; ++c) {
        if (c == C) break;
        const REAL total = warp_sum(sum[c]);
        if (lane == 0) x[pixel * C + c] = total;
    }
}
