// A batch of images: bytes gathered by their indices and made floats. tinygen/data/dataset.py.
//
// All images are on the device as bytes, uploaded once; a step sends its indices alone. A byte is
// made a float by a table of 256, the one that the CPU uses, so that both get the same bits.
// Launch: any grid of 256-thread blocks; the caller makes one for every 1024 numbers.
// Bound by memory: reads 1 byte and writes 4 for a number.

#include "common.cuh"

// y[i] = table[images[chosen[i]]], all entries of it: images (all, size), y (count, size).
KERNEL(batch)(const unsigned char* __restrict__ images, const int* __restrict__ chosen,
              const REAL* __restrict__ table, REAL* __restrict__ y, int count, int size) {
    static_assert(THREADS == 256, "a thread fetches one entry of the table");
    __shared__ REAL value[256];  // a warp asks for 32 different entries at once
    value[threadIdx.x] = table[threadIdx.x];
    __syncthreads();
    const int first = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    if (size % 4 == 0 && aligned(images) && aligned(y)) {
        const int fours = size / 4;  // of an image: an unsigned holds four bytes, the first lowest
        for (int i = first; i < count * fours; i += step) {
            const unsigned bytes =
                reinterpret_cast<const unsigned*>(images)[chosen[i / fours] * fours + i % fours];
            Four t;
#pragma unroll
            for (int k = 0; k < 4; ++k) t.v[k] = value[bytes >> 8 * k & 255];
            reinterpret_cast<Four*>(y)[i] = t;
        }
    } else {
        for (int i = first; i < count * size; i += step)
            y[i] = value[images[chosen[i / size] * size + i % size]];
    }
}
