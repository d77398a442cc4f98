// What the CUDA kernels of every model stand on. FLOAT and SINGLE are defined before this text.
//
// A family is a struct of the functions log_partition, mean, variance and sample of one unit, printed from the family's
// formulas. Kernels are templates over it. `word` counters of the random stream: see Stream in the NumPy runtime.

typedef unsigned int word;
typedef unsigned long long wide;
typedef long long place;

#define WORDS (SINGLE ? 4 : 2)

// --- scalar functions

__device__ inline FLOAT unit_exp(FLOAT x) { return exp(fmin(fmax(x, FLOAT(SINGLE ? -104.0 : -746.0)), FLOAT(SINGLE ? 89.0 : 710.0))); }
__device__ inline FLOAT unit_log(FLOAT x) { return log(x); }
__device__ inline FLOAT unit_sqrt(FLOAT x) { return sqrt(x); }
__device__ inline FLOAT unit_tanh(FLOAT x) { return tanh(x); }
__device__ inline FLOAT unit_sigmoid(FLOAT x) { return FLOAT(1) / (FLOAT(1) + unit_exp(-x)); }
__device__ inline FLOAT unit_softplus(FLOAT x) { return fmax(x, FLOAT(0)) + log1p(unit_exp(-fabs(x))); }
__device__ inline FLOAT unit_step(FLOAT x) { return x > FLOAT(0) ? FLOAT(1) : FLOAT(0); }

__device__ inline double polynomial(const double* c, double x) {
  double value = c[7];
  for (int k = 6; k >= 0; --k) value = value * x + c[k];
  return value;
}

// Quantile of the standard normal distribution (Wichura 1988, algorithm AS 241), in double precision throughout.
__device__ inline double quantile(double u) {
  double p = fmin(fmax(u, 5.551115123125783e-17), 1.0 - 1.1102230246251565e-16);
  double q = p - 0.5;
  if (fabs(q) <= 0.425) {
    double r = 0.180625 - q * q;
    return q * polynomial(CENTRE_ABOVE, r) / polynomial(CENTRE_BELOW, r);
  }
  double r = sqrt(-log(fmin(p, 1.0 - p)));
  double size = r <= 5.0 ? polynomial(NEAR_ABOVE, r - 1.6) / polynomial(NEAR_BELOW, r - 1.6)
                         : polynomial(FAR_ABOVE, r - 5.0) / polynomial(FAR_BELOW, r - 5.0);
  return q < 0.0 ? -size : size;
}
__device__ inline FLOAT unit_ndtri(FLOAT u) { return FLOAT(quantile(fmax(double(u), SINGLE ? 1.4901161193847656e-08 : 0.0))); }
__device__ inline FLOAT unit_floor(FLOAT x) { return floor(x); }
__device__ inline FLOAT unit_expm1(FLOAT x) { return expm1(x); }
__device__ inline FLOAT unit_log1p(FLOAT x) { return log1p(x); }
__device__ inline FLOAT unit_log1mexp(FLOAT x) { return log(-expm1(x)); }
__device__ inline double clipped(double x, double low, double high) { return fmin(fmax(x, low), high); }
__device__ inline FLOAT unit_clip(FLOAT x, double low, double high) { return FLOAT(clipped(x, low, high)); }

// --- families without a short formula, in double precision: see the functions of these names in the NumPy runtime

#define ROOT 2.5066282746310002

__device__ inline double log_mills(double x) {
  double size = fabs(x), t = 2 * (size - 4) / (size + 4), first = 0, second = 0;
  for (int k = MILLS_COUNT - 1; k > 0; --k) {
    double next = t * first - second + MILLS[k];
    second = first;
    first = next;
  }
  double ratio = (0.5 * t * first - second + MILLS[0]) / (1 + size), half = 0.5 * size * size;
  return x >= 0 ? log(ratio) : half + log(ROOT - exp(-half) * ratio);
}

__device__ inline double cumulated_hazard(double a, double d) {
  return isinf(d) ? d : 0.5 * d * (d + 2 * a) + log_mills(a) - log_mills(a + d);
}

// Mean and variance of exp(-c t) on [0, 1].
struct Decay {
  double mean, variance;
  __device__ explicit Decay(double c) {
    double q = c * c, half = sinh(0.5 * fmin(c, 1400.0));
    mean = c < 0.03 ? 0.5 - c / 12 + c * q / 720 : 1 / c - 1 / expm1(c);
    variance = c < 0.03 ? 1.0 / 12 - q / 240 + q * q / 6048 : 1 / q - 0.25 / (half * half);
  }
};

struct Truncated {
  double low, high, sd, mean, near, sign, a, b, d, fall, kept, below, inside;
  bool endless, flat;

  __device__ Truncated(double eta1, double eta2, double low, double high) : low(low), high(high) {
    sd = sqrt(-0.5 / eta2), mean = -0.5 * eta1 / eta2;
    a = (low - mean) / sd, b = (high - mean) / sd, d = (high - low) / sd;
    near = low, sign = 1, endless = isinf(d), flat = d < 3e-3;
    if (a + b < 0) {
      double old = a;
      near = high, sign = -1, a = -b, b = -old;
    }
    fall = endless ? 0.0 : exp(-0.5 * d * (a + b));
    kept = -expm1(-cumulated_hazard(fmax(a, 0.0), d));
    below = a < 0 ? exp(-0.5 * a * a + log_mills(-a)) : 0.0;
    inside = ROOT - below - (endless || a >= 0 ? 0.0 : exp(-0.5 * b * b + log_mills(b)));
  }
  __device__ double scale() const { return a < 0 ? exp(-0.5 * a * a) / inside : exp(-log_mills(a)) / kept; }
};

__device__ inline FLOAT unit_truncated_normal_log(double eta1, double eta2, double low, double high) {
  Truncated t(eta1, eta2, low, high);
  if (t.d < 1e-5) {
    double c = t.a * t.d, even = log(t.d * (fabs(c) < 1e-9 ? 1 - 0.5 * c : -expm1(-c) / c));
    return FLOAT(log(t.sd) + t.near * (eta1 + eta2 * t.near) + even);
  }
  if (t.a < 0) return FLOAT(log(t.sd) + 0.5 * t.mean * eta1 + log(t.inside));
  return FLOAT(log(t.sd) + t.near * (eta1 + eta2 * t.near) + log_mills(t.a) + log(t.kept));
}

__device__ inline FLOAT unit_truncated_normal_mean(double eta1, double eta2, double low, double high) {
  Truncated t(eta1, eta2, low, high);
  double z = t.scale() * (1 - t.fall), step = z - t.a;
  if (t.flat || t.a > 1e4) step = t.endless ? 1 / t.a : t.d * Decay(fabs(t.a) * t.d).mean;
  return FLOAT(clipped(t.a < 0 && !t.flat ? t.mean + t.sign * t.sd * z : t.near + t.sign * t.sd * step, low, high));
}

__device__ inline FLOAT unit_truncated_normal_variance(double eta1, double eta2, double low, double high) {
  Truncated t(eta1, eta2, low, high);
  double scale = t.scale(), z = scale * (1 - t.fall);
  double variance = 1 + scale * (t.a - (t.fall == 0 ? 0.0 : t.b * t.fall)) - z * z;
  if (t.flat || t.a > 700) variance = t.endless ? 1 / (t.a * t.a) : t.d * t.d * Decay(fabs(t.a) * t.d).variance;
  return FLOAT(t.sd * t.sd * fmax(variance, 0.0));
}

__device__ inline FLOAT unit_truncated_normal_draw(double eta1, double eta2, double low, double high, double u) {
  Truncated t(eta1, eta2, low, high);
  double v = t.sign < 0 ? 1 - u : u;
  if (t.a < 0 && t.flat) {
    double even = t.d * (v - v * (1 - v) * (0.5 * t.a * t.d + t.d * t.d * (1 + v) / 6));
    return FLOAT(clipped(t.near + t.sign * t.sd * even, low, high));
  }
  if (t.a < 0) return FLOAT(clipped(t.mean + t.sign * t.sd * quantile((t.below + v * t.inside) / ROOT), low, high));
  double target = -log1p(-fmin(v * t.kept, 1 - 1.1102230246251565e-16));
  double step = fmin(target * exp(log_mills(t.a)), 2 * target / (t.a + sqrt(t.a * t.a + 2 * target) + 1e-300));
  for (int n = 0; n < 5; ++n) step = fmax(step - (cumulated_hazard(t.a, step) - target) * exp(log_mills(t.a + step)), 0.0);
  return FLOAT(clipped(t.near + t.sign * t.sd * step, low, high));
}

__device__ inline FLOAT unit_truncated_exponential_log(double eta, double low, double high) {
  double width = high - low, c = fabs(eta) * width;
  return FLOAT(eta * (eta > 0 ? high : low) + log(width) + log(c < 1e-9 ? 1 - 0.5 * c : -expm1(-c) / c));
}

__device__ inline FLOAT unit_truncated_exponential_mean(double eta, double low, double high) {
  double move = (high - low) * Decay(fabs(eta) * (high - low)).mean;
  return FLOAT(eta > 0 ? high - move : low + move);
}

__device__ inline FLOAT unit_truncated_exponential_variance(double eta, double low, double high) {
  return FLOAT((high - low) * (high - low) * Decay(fabs(eta) * (high - low)).variance);
}

__device__ inline FLOAT unit_truncated_exponential_draw(double eta, double low, double high, double u) {
  double width = high - low, c = fabs(eta) * width, v = eta > 0 ? 1 - u : u;
  double move = width * (c < 1e-9 ? v : -log1p(v * expm1(-c)) / c);
  return FLOAT(clipped(eta > 0 ? high - move : low + move, low, high));
}

__device__ inline double poisson_peak(double k, double rate) {
  if (k < 10) {
    double value = exp(-rate);
    for (int j = 1; j <= int(k); ++j) value *= rate / j;
    return value;
  }
  double x = rate / k - 1, m = 1 / k, q = m * m;
  return exp(k * (log1p(x) - x) - m * (1.0 / 12 - q * (1.0 / 360 - q * (1.0 / 1260 - q / 1680)))) * sqrt(m) / ROOT;
}

__device__ inline FLOAT unit_poisson_rate(FLOAT eta) { return unit_exp(fmin(eta, FLOAT(SINGLE ? 88.0 : 700.0))); }

// The number k with F(k - 1) <= u < F(k): from the mode down or up.
__device__ inline FLOAT unit_poisson_draw(double eta, double u) {
  double rate = exp(fmin(eta, SINGLE ? 88.0 : 700.0));
  if (rate >= 1e8) return FLOAT(floor(rate + sqrt(rate) * quantile(u) + 0.5));
  double k = floor(rate), peak = poisson_peak(k, rate), below = 0, weight = peak;
  for (double place = k; place > 0 && weight > 1e-18; place -= 1) below += weight *= place / rate;
  if (u < below) {
    weight = peak * k / rate;
    double bound = below - weight;
    for (k -= 1; u < bound && k > 0; k -= 1) bound -= weight *= k / rate;
    return FLOAT(k);
  }
  double bound = below + peak;
  weight = peak;
  while (u >= bound && weight > 1e-18) {
    k += 1;
    bound += weight *= rate / k;
  }
  return FLOAT(k);
}

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

// --- units of several states, one-hot: eta(s) is the field of state s

template <class Eta>
__device__ inline FLOAT largest(int states, Eta eta) {
  FLOAT top = eta(0);
  for (int s = 1; s < states; ++s) top = fmax(top, eta(s));
  return top;
}

template <class Eta>
__device__ inline FLOAT weight_in_all(int states, FLOAT top, Eta eta) {
  FLOAT total = 0;
  for (int s = 0; s < states; ++s) total += unit_exp(eta(s) - top);
  return total;
}

template <class Eta>
__device__ inline FLOAT unit_logsumexp(int states, Eta eta) {
  FLOAT top = largest(states, eta);
  return top + unit_log(weight_in_all(states, top, eta));
}

// The first state whose cumulated weight exceeds u times the whole.
template <class Eta>
__device__ inline int unit_choose(int states, FLOAT u, Eta eta) {
  FLOAT top = largest(states, eta), bound = u * weight_in_all(states, top, eta), total = 0;
  for (int s = 0; s < states - 1; ++s) {
    total += unit_exp(eta(s) - top);
    if (total > bound) return s;
  }
  return states - 1;
}

// --- draws: one pass over (chains, units)

// Where the fields of a layer are: eta = scale * eta1 + base; arrays of one row serve all chains; null: nothing.
struct Fields {
  const FLOAT *eta1, *eta2, *base;
  int rows1, rows2, rows0;
  FLOAT scale;
  int entries;
  double low, high;

  __device__ place at(int rows, int r, int j) const { return rows == 1 ? j : place(r) * entries + j; }
  __device__ FLOAT offset(int r, int j) const { return base ? base[at(rows0, r, j)] : FLOAT(0); }
  __device__ FLOAT first(int r, int j) const { return scale * eta1[at(rows1, r, j)] + offset(r, j); }
  __device__ FLOAT second(int r, int j) const { return eta2 ? eta2[at(rows2, r, j)] : FLOAT(0); }
};

// The random stream of a draw, or numbers given explicitly.
struct Random {
  const FLOAT* given;
  word k0, k1, block, sweep;
  const word* moved;
  word chain;

  __device__ void fill(FLOAT* u, int r, int q, int count, int units) const {
    if (given) {
      for (int w = 0; w < WORDS; ++w) u[w] = q + w * count < units ? given[place(r) * units + q + w * count] : FLOAT(0);
    } else {
      uniforms(u, q, chain + r, block, sweep, moved, k0, k1);
    }
  }
};

// Samples, and where they are wanted means and second moments.
struct Target {
  FLOAT *out, *mean, *square;
};

template <class Family>
__device__ inline void put(const Fields& f, const Target& target, place at, FLOAT eta1, FLOAT eta2, FLOAT u) {
  target.out[at] = Family::sample(eta1, eta2, f.low, f.high, u);
  if (!target.mean) return;
  FLOAT mean = Family::mean(eta1, eta2, f.low, f.high);
  target.mean[at] = mean;
  if (target.square) target.square[at] = mean * mean + Family::variance(eta1, eta2, f.low, f.high);
}

// Calls each(chain, unit, u) once for every unit of every chain.
template <class Each>
__device__ inline void each_unit(const Random& random, int rows, int units, Each each) {
  int count = (units + WORDS - 1) / WORDS;
  for (place i = thread_number(); i < place(rows) * count; i += threads_in_all()) {
    int r = int(i / count), q = int(i % count);
    FLOAT u[WORDS];
    random.fill(u, r, q, count, units);
    for (int w = 0; w < WORDS && q + w * count < units; ++w) each(r, q + w * count, u[w]);
  }
}

template <class Family>
__device__ inline void draw(const Fields& fields, const Random& random, int rows, const Target& target) {
  each_unit(random, rows, fields.entries, [&](int r, int j, FLOAT u) {
    put<Family>(fields, target, place(r) * fields.entries + j, fields.first(r, j), fields.second(r, j), u);
  });
}

__device__ inline void draw_states(const Fields& fields, const Random& random, int rows, int states, const Target& target) {
  each_unit(random, rows, fields.entries / states, [&](int r, int unit, FLOAT u) {
    int j = unit * states;
    place at = place(r) * fields.entries + j;
    auto eta = [&](int s) { return fields.first(r, j + s); };
    int chosen = unit_choose(states, u, eta);
    for (int s = 0; s < states; ++s) target.out[at + s] = s == chosen ? FLOAT(1) : FLOAT(0);
    if (!target.mean) return;
    FLOAT top = largest(states, eta), total = weight_in_all(states, top, eta);
    for (int s = 0; s < states; ++s) target.mean[at + s] = unit_exp(eta(s) - top) / total;
  });
}

// Units of a few values low, low + 1, ...: one field a value.
__device__ inline void draw_table(const Fields& fields, const Random& random, int rows, int states, const Target& target) {
  Fields table = fields;
  table.entries = fields.entries * states;
  each_unit(random, rows, fields.entries, [&](int r, int j, FLOAT u) {
    place at = place(r) * fields.entries + j;
    auto eta = [&](int s) { return table.first(r, j * states + s); };
    target.out[at] = FLOAT(fields.low + unit_choose(states, u, eta));
    if (!target.mean) return;
    FLOAT top = largest(states, eta), total = weight_in_all(states, top, eta), mean = 0;
    for (int s = 0; s < states; ++s) mean += s * unit_exp(eta(s) - top) / total;
    target.mean[at] = FLOAT(fields.low + mean);
  });
}

// --- sums over units

// The sum of what the threads of a block hold; every thread gets it. Blocks have 256 threads.
__device__ inline double block_sum(double value) {
  __shared__ double part[256];
  part[threadIdx.x] = value;
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  double total = part[0];
  __syncthreads();
  return total;
}

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

// --- small products: one block a tile, so that a chain of them can be captured in a graph

// Rows m (stride am), inner axis k (stride ak); weights of the inner axis in `row`, or null.
struct Product {
  const FLOAT *a, *b, *row;
  int am, ak, bk, bn, m, n, k;
};

enum { TILE = 32, DEEP = 32, SHARE = TILE * DEEP / 256 };

// Each of 256 threads holds a 2 x 2 piece of the tile and, while it multiplies, the next numbers of both factors.
template <class Write>
__device__ inline void product_tile(const Product& p, Write write) {
  __shared__ FLOAT left[DEEP][TILE + 1], right[DEEP][TILE + 1];
  int t = threadIdx.x, top = blockIdx.y * TILE, side = blockIdx.x * TILE, i = t / 16 * 2, j = t % 16 * 2;
  FLOAT sum[2][2] = {{0, 0}, {0, 0}}, next_left[SHARE], next_right[SHARE];
  // Threads beside each other read beside each other, whichever axis lies that way.
  bool rows_apart = p.ak == 1, columns_together = p.bn == 1;
  for (int start = -DEEP; start < p.k; start += DEEP) {
    for (int s = 0; s < SHARE; ++s) {
      int e = t + s * 256;
      int x = rows_apart ? e / DEEP : e % TILE, y = rows_apart ? e % DEEP : e / TILE;
      int row = top + x, inner = start + DEEP + y;
      bool inside = row < p.m && inner < p.k;
      next_left[s] = inside ? p.a[place(row) * p.am + place(inner) * p.ak] * (p.row ? p.row[inner] : FLOAT(1)) : FLOAT(0);
      x = columns_together ? e % TILE : e / DEEP, y = columns_together ? e / TILE : e % DEEP;
      int column = side + x;
      inner = start + DEEP + y;
      next_right[s] = column < p.n && inner < p.k ? p.b[place(inner) * p.bk + place(column) * p.bn] : FLOAT(0);
    }
    if (start >= 0) {
      for (int d = 0; d < DEEP; ++d) {
        FLOAT l0 = left[d][i], l1 = left[d][i + 1], r0 = right[d][j], r1 = right[d][j + 1];
        sum[0][0] += l0 * r0;
        sum[0][1] += l0 * r1;
        sum[1][0] += l1 * r0;
        sum[1][1] += l1 * r1;
      }
    }
    __syncthreads();
    for (int s = 0; s < SHARE; ++s) {
      int e = t + s * 256;
      left[rows_apart ? e % DEEP : e / TILE][rows_apart ? e / DEEP : e % TILE] = next_left[s];
      right[columns_together ? e / TILE : e % DEEP][columns_together ? e % TILE : e / DEEP] = next_right[s];
    }
    __syncthreads();
  }
  for (int x = 0; x < 2; ++x) {
    for (int y = 0; y < 2; ++y) {
      if (top + i + x < p.m && side + j + y < p.n) write(top + i + x, side + j + y, sum[x][y]);
    }
  }
}

// out = A B, or out += A B; rows of `out` are `width` apart.
extern "C" __global__ void product(const FLOAT* a, int am, int ak, const FLOAT* b, int bk, int bn, const FLOAT* row,
                                   int m, int n, int k, FLOAT* out, int width, int add) {
  product_tile(Product{a, b, row, am, ak, bk, bn, m, n, k}, [&](int i, int j, FLOAT sum) {
    place at = place(i) * width + j;
    out[at] = add ? out[at] + sum : sum;
  });
}

// A product and, from its tile, the draw: eta = scale * (A B [+ eta1]) + base.
template <class Family>
__device__ inline void product_draw(const Product& p, int add, const Fields& fields, const Random& random, const Target& target) {
  int count = (p.n + WORDS - 1) / WORDS;
  product_tile(p, [&](int r, int j, FLOAT sum) {
    place at = place(r) * p.n + j;
    FLOAT eta1 = fields.scale * (add ? sum + fields.eta1[at] : sum) + fields.offset(r, j), u[WORDS];
    random.fill(u, r, j % count, count, p.n);
    put<Family>(fields, target, at, eta1, fields.second(r, j), u[j / count]);
  });
}

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

// --- models with few neighbours a unit: x is (slots, chains)

// A part of a sweep: units `first`, first + states, ... of one layer; entries of a slot from rows[slot] on.
struct Part {
  FLOAT* x;
  int chains, first, count, states;
  const FLOAT *base, *second;
  const int *rows, *source;
  const FLOAT* value;

  __device__ FLOAT field(int slot, int c) const {
    FLOAT eta = base[slot];
    for (int e = rows[slot]; e < rows[slot + 1]; ++e) eta += value[e] * x[place(source[e]) * chains + c];
    return eta;
  }
};

template <class Family>
__device__ inline void put_slot(const Part& part, int unit, int c, FLOAT u) {
  int slot = part.first + unit;
  part.x[place(slot) * part.chains + c] = Family::sample(part.field(slot, c), part.second[slot], 0.0, 0.0, u);
}

// The fields of a unit's states go where its states are: no other unit of the part reads them.
__device__ inline void put_states(const Part& part, int unit, int c, FLOAT u) {
  int slot = part.first + unit * part.states;
  auto eta = [&](int s) -> FLOAT& { return part.x[place(slot + s) * part.chains + c]; };
  for (int s = 0; s < part.states; ++s) eta(s) = part.field(slot + s, c);
  int chosen = unit_choose(part.states, u, eta);
  for (int s = 0; s < part.states; ++s) eta(s) = s == chosen ? FLOAT(1) : FLOAT(0);
}

// Every unit of a colour or layer for every chain, chains beside each other.
template <class Put>
__device__ inline void sweep_part(const Part& part, const Random& random, Put put) {
  int count = (part.count + WORDS - 1) / WORDS;
  for (place i = thread_number(); i < place(part.chains) * count; i += threads_in_all()) {
    int c = int(i % part.chains), q = int(i / part.chains);
    FLOAT u[WORDS];
    uniforms(u, q, random.chain + c, random.block, random.sweep, random.moved, random.k0, random.k1);
    for (int w = 0; w < WORDS; ++w) {
      if (q + w * count < part.count) put(part, q + w * count, c, u[w]);
    }
  }
}

// Unit by unit: a thread a chain.
template <class Put>
__device__ inline void scan_part(const Part& part, const Random& random, Put put) {
  int count = (part.count + WORDS - 1) / WORDS;
  for (place c = thread_number(); c < part.chains; c += threads_in_all()) {
    for (int unit = 0; unit < part.count; ++unit) {
      FLOAT u[WORDS];
      uniforms(u, unit % count, random.chain + word(c), random.block, random.sweep, random.moved, random.k0, random.k1);
      put(part, unit, int(c), u[unit / count]);
    }
  }
}

// --- densities without a closed form: panels, as in the NumPy runtime, but one unit at a time, none of them stored

#define ENDLESS 1.7976931348623157e308

struct Panel {
  double left, right, a, b;
};

struct Density {
  const double *eta, *rows, *growth, *bend, *taylor, *holds, *ends;
  int statistics, row_count, row_size, growth_size, bend_size, taylor_size, end_count;
  double low, high;

  __device__ static double shape(int function, double y) {
    switch (function) {
      case 1: return fabs(y);
      case 2: return tanh(y);
      case 3: return 0.5 * (1 + tanh(0.5 * y));
      case 4: return fmax(y, 0.0) + log1p(exp(-fabs(y)));
      case 5: return sin(y);
      case 6: return cos(y);
      case 7: return exp(y);
      case PANEL_BUMP:
      case PANEL_WALL: return exp(fmin(y, PANEL_HIGH));
    }
    return y;
  }

  // sum_k eta_k T_k(x)
  __device__ double exponent(double x) const {
    double total = 0, product = 1;
    for (int r = 0; r < row_count; ++r) {
      const double* row = rows + r * row_size;
      double y = 0;
      for (int d = row_size - 1; d > 2; --d) y = y * x + row[d];
      y = shape(int(row[1]), y);
      for (int n = 0; n < int(row[2]); ++n) product *= y;
      if (r + 1 == row_count || row[row_size] != row[0]) total += eta[int(row[0])] * product, product = 1;
    }
    return total;
  }

  // A bound of its second derivative; and of how fast arguments of functions change, in the last row.
  __device__ double curvature(double left, double right, double& rate) const {
    double found = 0, size = fmax(fabs(left), fabs(right)), bent = 0, centre = 0.5 * (left + right), reach = 1;
    rate = 0;
    for (int d = 0; d < taylor_size; ++d, reach *= 0.5 * (right - left)) {
      double value = 0;
      for (int j = taylor_size - d - 1; j >= 0; --j) {
        double c = 0;
        for (int k = 0; k < statistics; ++k) c += taylor[(d * statistics + k) * taylor_size + j] * eta[k];
        value = value * centre + c;
      }
      found += fabs(value) * reach;
    }
    for (int d = bend_size - 1; d >= 0; --d) {
      double c = 0;
      for (int k = 0; k < statistics; ++k) c += bend[k * bend_size + d] * fabs(eta[k]);
      bent = bent * size + c, rate = rate * size + bend[statistics * bend_size + d];
    }
    found += bent;
    for (int r = 0; r < row_count; ++r) {
      const double* row = rows + r * row_size;
      if (row[1] < PANEL_BUMP) continue;
      double a = 0, b = 0, slope = 0, curved = 0;
      for (int d = row_size - 1; d > 2; --d) {
        int k = d - 3;
        double c = fabs(row[d]);
        a = a * left + row[d], b = b * right + row[d];
        if (k > 0) slope = slope * size + k * c;
        if (k > 1) curved = curved * size + k * (k - 1) * c;
      }
      double most = fmax(a, b) + curved * (right - left) * (right - left) / 8;
      double height = fabs(eta[int(row[0])]) * exp(fmin(most, PANEL_HIGH));
      if (height > 0) found += height * (slope * slope + curved);
      if (height > PANEL_LOW) rate = fmax(rate, slope);
    }
    return found;
  }

  // Whether there is a density; finds how far it reaches: less far where a wall stands.
  __device__ bool proper() {
    low = -ENDLESS, high = ENDLESS;
    bool held = false;
    for (int k = 0; k < statistics; ++k) held = held || holds[2 * k] > 0;
    if (held) {
      double start = PANEL_DEEP, reach = ENDLESS, most = ENDLESS;
      for (int k = 0; k < statistics; ++k) start += 2 * growth[k * growth_size] * fabs(eta[k]);
      for (int k = 0; k < statistics; ++k) {
        int power = int(holds[2 * k]);
        double firm = -eta[k] * holds[2 * k + 1], far = 0, above = 0;
        for (int d = growth_size - 1; d >= 0; --d) {
          double size = 0;
          for (int j = 0; j < statistics; ++j)
            if (j != k && !(holds[2 * j] > 0 && eta[j] <= 0)) size += growth[j * growth_size + d] * fabs(eta[j]);
          if (d > power && size > 0) firm = 0;
          else if (d == power) firm -= size;
          else if (d < power && firm > 0) {
            if (d == 0) size = start;
            double root = pow(power * size / firm, 1.0 / (power - d));
            far = fmax(far, root), above += size * pow(root, double(d));
          }
        }
        if (power > 0 && firm > 0 && far < reach) reach = far, most = above;
      }
      if (!isfinite(reach)) return false;
      low = -reach, high = reach;
      for (int r = 0; r < row_count; ++r) {
        const double* row = rows + r * row_size;
        if (row[1] != PANEL_WALL) continue;
        double height = 0 - eta[int(row[0])], edge = (log(most / height) - row[3]) / row[4];
        if (!(height >= 0)) return false;
        if (row[4] > 0) high = fmin(high, edge);
        else low = fmax(low, edge);
      }
    }
    return true;
  }
};

// Where to cut a panel in two: in the middle, or much nearer to 0.
__device__ inline double cut_of(const Panel& p, bool wild) {
  double size = fmax(fabs(p.left), fabs(p.right)), small = fmin(fabs(p.left), fabs(p.right));
  if (wild && 4 * small < size) return copysign(fmax(sqrt(small * size), PANEL_NEARER * size), p.left + p.right);
  return 0.5 * (p.left + p.right);
}

// Panels from left to right, cut until they can be integrated; a search looks at all, for the greatest exponent.
struct Walk {
  Panel stack[PANEL_STACK];
  int depth, left_over;
  double top, at, width;
  // How much the exponent rises on a panel whose mass is at its edge, else 0.
  double rise;

  __device__ void start(const Density& d) {
    depth = 0;
    for (int s = d.end_count - 2; s >= 0; --s) {
      double low = clipped(d.ends[s], d.low, d.high), high = clipped(d.ends[s + 1], d.low, d.high);
      stack[depth++] = Panel{low, high, d.exponent(low), d.exponent(high)};
    }
  }

  __device__ bool next(const Density& d, Panel& panel, bool searching) {
    while (depth > 0 && left_over-- > 0) {
      panel = stack[--depth];
      double h = panel.right - panel.left, high = fmax(panel.a, panel.b);
      double rate, above = d.curvature(panel.left, panel.right, rate) * h * h / 8;
      if (searching && high >= top) top = high, at = panel.a >= panel.b ? panel.left : panel.right, width = h;
      if (!(high + above >= top - PANEL_DEEP)) continue;
      double change = fabs(panel.b - panel.a), rough = PANEL_ROUGH * fmax(fabs(panel.a), fabs(panel.b));
      bool steep = above > fmax(PANEL_CURVED, rough) || change > fmax(PANEL_STEEP, rough) || rate * h > PANEL_FAST;
      if (steep && h > PANEL_NARROW * fmax(fabs(panel.left), fabs(panel.right))) {
        double centre = cut_of(panel, above > PANEL_WILD * PANEL_CURVED || change > PANEL_WILD * PANEL_STEEP);
        double middle = d.exponent(centre);
        if (depth + 2 > PANEL_STACK) return left_over = 0, false;
        stack[depth++] = Panel{centre, panel.right, middle, panel.b};
        stack[depth++] = Panel{panel.left, centre, panel.a, middle};
      } else if (!searching) {
        rise = !steep ? 0.0 : panel.b > panel.a ? fmax(change, 1.0) : -fmax(change, 1.0);
        return true;
      }
    }
    return false;
  }
};

__device__ inline double mass_of(const Density& d, double left, double right, double top) {
  double half = 0.5 * (right - left), total = 0;
  for (int n = 0; n < 8; ++n) total += RULE[n][1] * exp(fmin(d.exponent(left + half * (1 + RULE[n][0])) - top, PANEL_CURVED));
  return half * total;
}

__device__ inline double edge_of(const Panel& p, double rise) { return rise > 0 ? p.right : p.left; }

__device__ inline double mass_of(const Density& d, const Panel& p, const Walk& walk) {
  if (walk.rise == 0) return mass_of(d, p.left, p.right, walk.top);
  return exp(d.exponent(edge_of(p, walk.rise)) - walk.top) * (p.right - p.left) / fabs(walk.rise);
}

__device__ inline double mode_of(const Density& d, Walk& walk) {
  Panel panel;
  double best = -ENDLESS, at = walk.at, width = 0;
  for (walk.start(d); walk.next(d, panel, false);)
    for (int n = 0; n <= PANEL_GRID; ++n) {
      double x = panel.left + (panel.right - panel.left) * n / PANEL_GRID, f = d.exponent(x);
      if (f > best) at = x, best = f, width = (panel.right - panel.left) / PANEL_GRID;
    }
  for (int round = 0; round < PANEL_FINER; ++round, width /= PANEL_GRID) {
    double centre = at, top = -ENDLESS;
    for (int n = 0; n <= 2 * PANEL_GRID; ++n) {
      double x = clipped(centre + width * (double(n) / PANEL_GRID - 1), d.ends[0], d.ends[d.end_count - 1]), f = d.exponent(x);
      if (f > top) at = x, top = f;
    }
  }
  return at;
}

__device__ inline double draw_of(const Density& d, Walk& walk, double target) {
  Panel panel, last{0, 0, 0, 0};
  double here = 0, rise = 0;
  bool found = false;
  for (walk.start(d); !found && walk.next(d, panel, false);) {
    last = panel, rise = walk.rise, here = mass_of(d, panel, walk);
    found = target < here;
    if (!found) target -= here;
  }
  if (!found) target = here;
  if (rise != 0) return edge_of(last, rise);
  double a = last.left, b = last.right, x = a + (b - a) * target / here;
  for (int n = 0; n < PANEL_NEWTON; ++n) {
    double excess = mass_of(d, last.left, x, walk.top) - target;
    (excess < 0 ? a : b) = x;
    x -= excess / exp(d.exponent(x) - walk.top);
    if (!(x >= a && x <= b)) x = 0.5 * (a + b);
  }
  return x;
}

enum { LOG, MEAN, VARIANCE, ENTROPY, MODE, DRAW };

__device__ inline double integral_of(int what, Density& d, double u) {
  Walk walk;
  Panel panel;
  if (!d.proper()) return nan("");
  walk.left_over = 10 * PANEL_MOST, walk.top = -ENDLESS, walk.at = 0, walk.width = 0, walk.rise = 0;
  walk.start(d);
  walk.next(d, panel, true);
  if (walk.left_over <= 0 || !(walk.top > -ENDLESS && walk.top < ENDLESS)) return nan("");
  if (what == MODE) return mode_of(d, walk);
  double mass = 0, first = 0, second = 0, fall = 0;
  for (walk.start(d); walk.next(d, panel, false);) {
    double half = 0.5 * (panel.right - panel.left);
    if (walk.rise != 0) {
      double x = edge_of(panel, walk.rise), w = mass_of(d, panel, walk);
      mass += w, first += w * (x - walk.at), second += w * (x - walk.at) * (x - walk.at);
      fall += w > 0 ? w * (d.exponent(x) - walk.top - 1) : 0.0;
      continue;
    }
    for (int n = 0; n < 8; ++n) {
      double x = panel.left + half * (1 + RULE[n][0]), f = fmin(d.exponent(x) - walk.top, PANEL_CURVED);
      double w = half * RULE[n][1] * exp(f);
      mass += w, first += w * (x - walk.at), second += w * (x - walk.at) * (x - walk.at);
      fall += w > 0 ? w * f : 0.0;
    }
  }
  if (walk.left_over <= 0 || !(mass > 0)) return nan("");
  first /= mass;
  if (what == LOG) return walk.top + log(mass);
  if (what == MEAN) return walk.at + first;
  if (what == VARIANCE) return second / mass - first * first;
  if (what == ENTROPY) return log(mass) - fall / mass;
  return draw_of(d, walk, u * mass);
}

extern "C" __global__ void integrate(int what, const double* eta, const double* u, int statistics, const double* rows,
                                     const double* growth, const double* bend, const double* taylor, int row_count,
                                     int row_size, int growth_size, int bend_size, int taylor_size, const double* holds, const double* ends,
                                     int end_count, double* out, int size) {
  for (int j = blockIdx.x * blockDim.x + threadIdx.x; j < size; j += gridDim.x * blockDim.x) {
    Density d{eta + j * statistics, rows, growth, bend, taylor, holds, ends, statistics, row_count, row_size, growth_size,
              bend_size, taylor_size, end_count, 0, 0};
    out[j] = integral_of(what, d, u[j]);
  }
}
