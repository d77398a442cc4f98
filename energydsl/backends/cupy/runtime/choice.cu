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
