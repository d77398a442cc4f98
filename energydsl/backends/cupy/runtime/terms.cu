// --- bf16 terms of a product: each the rounded rest of those before it

// The nearest bf16 number, ties to even, as the upper half of a float.
__device__ inline word rounded(float x) {
  union { float number; word bits; } both;
  both.number = x;
  return (both.bits + 0x7FFFu + ((both.bits >> 16) & 1u)) & 0xFFFF0000u;
}

extern "C" __global__ void split(const float* value, int size, int terms, unsigned short* out) {
  for (place i = thread_number(); i < size; i += threads_in_all()) {
    float rest = value[i];
    for (int t = 0; t < terms; ++t) {
      union { float number; word bits; } both;
      both.bits = rounded(rest);
      out[place(t) * size + i] = (unsigned short)(both.bits >> 16);
      rest -= both.number;
    }
  }
}
