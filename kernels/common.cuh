// What every .cu file includes. REAL is float or double: each file is compiled for both. THREADS
// and other numbers that Python shares are in tinygen/cuda/sizes.py. The same text is compiled for
// GPUs by NVRTC, and for the host by the tests, which run it there; hence no <std> headers, and
// dynamic shared memory by DYN_SHARED.
#ifndef CUDA_ON_HOST
#define DYN_SHARED(T, name)                                       \
    extern __shared__ __align__(16) unsigned char name##_bytes[]; \
    T* name = reinterpret_cast<T*>(name##_bytes)
#endif
// What Python calls "add" is tg_add here, as C has a good many names of its own.
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(THREADS) tg_##name

// Four numbers that are read and written at once: 16 bytes of float.
struct __align__(16) Four {
    REAL v[4];
};

// K numbers that are read or written at once: 16 bytes for four of float.
template <int K>
struct alignas(K == 4 ? 16 : sizeof(REAL)) Pack {
    REAL v[K];
};

#define INLINE static __device__ __forceinline__

__device__ __forceinline__ bool aligned(const void* p) { return ((size_t)p & 15) == 0; }

// Sum over a warp; every lane gets it.
__device__ __forceinline__ REAL warp_sum(REAL v) {
#pragma unroll
    for (int lane = 16; lane > 0; lane >>= 1) v += __shfl_xor_sync(0xffffffffu, v, lane);
    return v;
}

// Sum over a block of up to 1024 threads, a multiple of 32, all of which call; every one gets it.
// `part` is the caller's: __shared__ REAL part[32].
__device__ __forceinline__ REAL block_sum(REAL v, REAL* part) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_sum(v);
    __syncthreads();  // part[] may still be read from the call before
    if (lane == 0) part[warp] = v;
    __syncthreads();
    v = warp_sum(lane < warps ? part[lane] : REAL(0));
    return v;
}
