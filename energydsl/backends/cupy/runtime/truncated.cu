// --- one unit between two bounds, in double precision: see the functions of these names in truncated.py of NumPy

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
