// What the CUDA kernels of every model stand on. FLOAT and SINGLE are defined before this text.
//
// A family is a struct of the functions log_partition, mean, variance and sample of one unit, printed from the family's
// formulas. Kernels are templates over it. `word` counters of the random stream: see Stream in the NumPy runtime.

typedef unsigned int word;
typedef unsigned long long wide;
typedef long long place;

#define WORDS (SINGLE ? 4 : 2)

// The sum of what the threads of a block hold; every thread gets it. Blocks have a power of two of threads, at most 256.
__device__ inline double block_sum(double value) {
  __shared__ double part[256];
  part[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  double total = part[0];
  __syncthreads();
  return total;
}
