// Sums over the threads of a block, which has one row of at most 1024 threads, a multiple of 32.

__device__ inline T warp_sum(T value) {
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffff, value, offset);
    return value;
}

// The sum in every thread.
__device__ inline T block_sum(T value) {
    __shared__ T parts[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    value = warp_sum(value);
    // A second sum must not write while others still read the first.
    __syncthreads();
    if (lane == 0) parts[warp] = value;
    __syncthreads();
    value = lane < blockDim.x / 32 ? parts[lane] : T(0);
    value = warp_sum(value);
    return __shfl_sync(0xffffffff, value, 0);
}
