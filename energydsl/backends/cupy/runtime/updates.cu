// --- sums over units

// What a log-partition gains from the fields `before` to the fields `after`, summed over units: a block a chain.
template <class Family>
__device__ inline void gain(const Fields& before, const Fields& after, FLOAT scale2, FLOAT scale2_after,
                            const FLOAT* base2, const FLOAT* base2_after, int rows, double* out) {
  for (int r = blockIdx.x; r < rows; r += gridDim.x) {
    double total = 0;
    for (int j = threadIdx.x; j < before.entries; j += blockDim.x) {
      FLOAT g = before.second(r, j);
      FLOAT from = before.eta2 ? scale2 * g + base2[j] : FLOAT(0), to = before.eta2 ? scale2_after * g + base2_after[j] : FLOAT(0);
      total += Family::log_partition(after.first(r, j), to, after.low, after.high);
      total -= Family::log_partition(before.first(r, j), from, before.low, before.high);
    }
    total = block_sum(total);
    if (threadIdx.x == 0) out[r] = total;
  }
}

__device__ inline void gain_states(const Fields& before, const Fields& after, int rows, int states, double* out) {
  for (int r = blockIdx.x; r < rows; r += gridDim.x) {
    double total = 0;
    for (int j = threadIdx.x * states; j < before.entries; j += blockDim.x * states) {
      total += unit_logsumexp(states, [&](int s) { return after.first(r, j + s); });
      total -= unit_logsumexp(states, [&](int s) { return before.first(r, j + s); });
    }
    total = block_sum(total);
    if (threadIdx.x == 0) out[r] = total;
  }
}

// value += factor * direction; the sums of squares of direction and new value, one pair a block: sums (2, blocks).
// The factor is multiplied by what `rate` points at, if it points at anything.
extern "C" __global__ void axpy(FLOAT* value, const FLOAT* direction, FLOAT factor, const FLOAT* rate, int size, double* sums) {
  double slope = 0, norm = 0;
  if (rate) factor *= *rate;
  for (place i = thread_number(); i < size; i += threads_in_all()) {
    FLOAT v = value[i] + factor * direction[i];
    value[i] = v;
    slope += double(direction[i]) * direction[i];
    norm += double(v) * v;
  }
  slope = block_sum(slope);
  norm = block_sum(norm);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = slope;
    sums[gridDim.x + blockIdx.x] = norm;
  }
}

// output[r, targets[t]] += the values[r, order[e]] of segment t, in order: the same sum at every run.
extern "C" __global__ void scatter(FLOAT* output, const FLOAT* values, const int* order, const int* starts, const int* targets,
                                   int rows, int size, int segments, int entries) {
  for (place i = thread_number(); i < place(rows) * segments; i += threads_in_all()) {
    int r = int(i / segments), t = int(i % segments);
    FLOAT total = 0;
    for (int e = starts[t]; e < starts[t + 1]; ++e) total += values[place(r) * entries + order[e]];
    output[place(r) * size + targets[t]] += total;
  }
}
