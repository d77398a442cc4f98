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
