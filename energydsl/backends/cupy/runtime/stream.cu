// --- random numbers: Philox4x32-10 (Salmon et al. 2011)

// The numbers of the units q, q + Q, ... of one chain. `moved`: sweeps to add to `sweep`, on the device, or null.
__device__ inline void uniforms(FLOAT* u, word q, word chain, word block, word sweep, const word* moved, word k0, word k1) {
  word a = q, b = chain, c = block, d = sweep + (moved ? *moved : 0);
  for (int round = 0; round < 10; ++round) {
    wide left = wide(0xD2511F53u) * a, right = wide(0xCD9E8D57u) * c;
    a = word(right >> 32) ^ b ^ k0;
    b = word(right);
    c = word(left >> 32) ^ d ^ k1;
    d = word(left);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
#if SINGLE
  u[0] = (a >> 8) * 5.9604644775390625e-08f;
  u[1] = (b >> 8) * 5.9604644775390625e-08f;
  u[2] = (c >> 8) * 5.9604644775390625e-08f;
  u[3] = (d >> 8) * 5.9604644775390625e-08f;
#else
  u[0] = (a >> 5) * 7.450580596923828e-09 + (b >> 6) * 1.1102230246251565e-16;
  u[1] = (c >> 5) * 7.450580596923828e-09 + (d >> 6) * 1.1102230246251565e-16;
#endif
}

__device__ inline place thread_number() { return place(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline place threads_in_all() { return place(gridDim.x) * blockDim.x; }

extern "C" __global__ void fill_uniforms(FLOAT* out, int rows, int units, word k0, word k1, word block, word sweep,
                                         const word* moved, word chain) {
  int count = (units + WORDS - 1) / WORDS;
  for (place i = thread_number(); i < place(rows) * count; i += threads_in_all()) {
    int r = int(i / count), q = int(i % count);
    FLOAT u[WORDS];
    uniforms(u, q, chain + r, block, sweep, moved, k0, k1);
    for (int w = 0; w < WORDS; ++w) {
      if (q + w * count < units) out[place(r) * units + q + w * count] = u[w];
    }
  }
}

extern "C" __global__ void move_on(word* moved, word sweeps) {
  if (thread_number() == 0) *moved += sweeps;
}
