// --- draws of one Poisson number, in double precision

// rate^k exp(-rate) / k! near the mode, k = floor(rate): by Stirling's series from 10 on.
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
