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
