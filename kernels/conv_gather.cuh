// The matrices that the three convolutions multiply, as conv_tile.cuh wants them: fetch(last) takes
// this thread's numbers of the next step out of an image or weights, put(tile) writes them into
// shared memory. Line and depth are explained there. Each thread keeps where its lines begin, so
// that in a step it checks once for each 16 bytes whether they lie inside the image. `fours`:
// numbers may be read four at once, as their count is divisible and their place aligned.

#include "conv_tile.cuh"

constexpr int OUTSIDE = -(1 << 30);  // a pixel so far out that no tap leads back into the image

// Image (N, height, width, channels).
struct Images {
    const REAL* __restrict__ at;
    int height, width, channels;
    bool fours;
    __device__ __forceinline__ int pixel(int i, int j) const {
        return (unsigned)i < (unsigned)height && (unsigned)j < (unsigned)width
                   ? (i * width + j) * channels
                   : -1;
    }
};

// Rows of windows: line -> a pixel (n, i, j), depth -> (a, b, c): image[n, i ± a, j ± b, c], and 0
// outside. Memory runs along the depth.
template <int R>
struct Windows {
    const Images image;
    const int taps, sign;  // taps along b
    int depth, start[R], i[R], j[R];
    Walk tap;
    Four v[R];

    __device__ __forceinline__ Windows(Images image, int taps, int sign, int first)
        : image(image), taps(taps), sign(sign), depth(first + turned_depth()),
          tap(depth, taps, image.channels) {}

    __device__ __forceinline__ void line(int r, int n, int row, int column) {
        start[r] = n * image.height * image.width * image.channels;
        i[r] = row, j[r] = column;
    }
    __device__ __forceinline__ int place(int r, Walk t) const {
        const int pixel = image.pixel(i[r] + sign * t.a, j[r] + sign * t.b);
        return pixel < 0 ? -1 : start[r] + pixel + t.c;
    }
    __device__ __forceinline__ void fetch(int last) {
#pragma unroll
        for (int r = 0; r < R; ++r) v[r] = zeros();
        if (image.fours) {
#pragma unroll
            for (int r = 0; r < R; ++r) {
                const int p = depth < last ? place(r, tap) : -1;
                if (p >= 0) v[r] = four(image.at + p);
            }
        } else {
            Walk t = tap;
#pragma unroll
            for (int e = 0; e < 4; ++e, t.by(1, taps, image.channels))
#pragma unroll
                for (int r = 0; r < R; ++r) {
                    const int p = depth + e < last ? place(r, t) : -1;
                    if (p >= 0) v[r].v[e] = image.at[p];
                }
        }
        depth += STEP, tap.by(STEP, taps, image.channels);
    }
    template <class Math>
    __device__ __forceinline__ void put(Tile<Math, R>& tile) const {
        put_turned(tile, v);
    }
};

// The same windows, line and depth exchanged: line -> (a, b, c), depth -> a pixel (n, i, j) of the
// output, whose window begins at (i·sh - ph, j·sw - pw). Memory runs along the lines.
template <int R>
struct Pixels {
    const Images image;
    const int high, wide, sh, sw, ph, pw;  // high × wide: the output
    int depth, a[R][4], b[R][4], c[R][4];
    Walk pixel;  // (n, i, j)
    Four v[R];

    __device__ __forceinline__ Pixels(Images image, int high, int wide, int sh, int sw, int ph,
                                      int pw, int first)
        : image(image), high(high), wide(wide), sh(sh), sw(sw), ph(ph), pw(pw),
          depth(first + straight_depth()), pixel(depth, high, wide) {}

    // The lines from `row` on, of `rows` = kh·kw·C.
    __device__ __forceinline__ void lines(int row, int rows, int taps) {
#pragma unroll
        for (int r = 0; r < R; ++r)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int k = row + straight_line() + LINES * r + e;
                const Walk t(k, taps, image.channels);
                a[r][e] = k < rows ? t.a - ph : OUTSIDE, b[r][e] = t.b - pw, c[r][e] = t.c;
            }
    }
    __device__ __forceinline__ int place(int r, int e) const {
        const int p = image.pixel(pixel.b * sh + a[r][e], pixel.c * sw + b[r][e]);
        const int start = pixel.a * image.height * image.width * image.channels;
        return p < 0 ? -1 : start + p + c[r][e];
    }
    __device__ __forceinline__ void fetch(int last) {
#pragma unroll
        for (int r = 0; r < R; ++r) {
            v[r] = zeros();
            if (image.fours) {
                const int p = depth < last ? place(r, 0) : -1;
                if (p >= 0) v[r] = four(image.at + p);
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int p = depth < last ? place(r, e) : -1;
                    if (p >= 0) v[r].v[e] = image.at[p];
                }
            }
        }
        depth += STEP, pixel.by(STEP, high, wide);
    }
    template <class Math>
    __device__ __forceinline__ void put(Tile<Math, R>& tile) const {
        put_straight(tile, v);
    }
};

// A plain matrix (depth, lines): weights as (kh·kw·C, O), or an output's gradient as (N·H'·W', O).
struct Matrix {
    const REAL* __restrict__ at;
    const int lines;
    const bool fours;
    int depth, line;
    Four v[1];

    __device__ __forceinline__ Matrix(const REAL* at, int lines, bool fours, int first, int column)
        : at(at), lines(lines), fours(fours), depth(first + straight_depth()),
          line(column + straight_line()) {}
    __device__ __forceinline__ void fetch(int last) {
        v[0] = zeros();
        if (depth < last) {
            const REAL* p = at + depth * lines + line;
            if (fours) {
                if (line < lines) v[0] = four(p);
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    if (line + e < lines) v[0].v[e] = p[e];
            }
        }
        depth += STEP;
    }
    template <class Math>
    __device__ __forceinline__ void put(Tile<Math, 1>& tile) const {
        put_straight(tile, v);
    }
};

// The weights of every sh-th, sw-th tap from a first one on, for conv2d_input: line -> c, depth ->
// (a, b, o): w[first + a·sh, first + b·sw, c, o]. Memory runs along the depth.
struct Taps {
    const REAL* __restrict__ at;  // w at the first tap and this line's c
    const int outputs, taps, down, right;  // down, right: from tap to tap, in entries
    const bool fours, inside;
    int depth;
    Walk tap;
    Four v[1];

    __device__ __forceinline__ Taps(const REAL* w, int outputs, int taps, int down, int right,
                                    bool fours, int first, int column, int channels)
        : at(w + (column + turned_line()) * outputs), outputs(outputs), taps(taps), down(down),
          right(right), fours(fours), inside(column + turned_line() < channels),
          depth(first + turned_depth()), tap(depth, taps, outputs) {}
    __device__ __forceinline__ void fetch(int last) {
        v[0] = zeros();
        if (inside && fours) {
            if (depth < last) v[0] = four(at + tap.a * down + tap.b * right + tap.c);
        } else if (inside) {
            Walk t = tap;
#pragma unroll
            for (int e = 0; e < 4; ++e, t.by(1, taps, outputs))
                if (depth + e < last) v[0].v[e] = at[t.a * down + t.b * right + t.c];
        }
        depth += STEP, tap.by(STEP, taps, outputs);
    }
    template <class Math>
    __device__ __forceinline__ void put(Tile<Math, 1>& tile) const {
        put_turned(tile, v);
    }
};
