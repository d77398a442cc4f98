// --- scalar functions

__device__ inline FLOAT unit_exp(FLOAT x) { return exp(fmin(fmax(x, FLOAT(SINGLE ? -104.0 : -746.0)), FLOAT(SINGLE ? 89.0 : 710.0))); }
__device__ inline FLOAT unit_log(FLOAT x) { return log(x); }
__device__ inline FLOAT unit_sqrt(FLOAT x) { return sqrt(x); }
__device__ inline FLOAT unit_tanh(FLOAT x) { return tanh(x); }
__device__ inline FLOAT unit_sigmoid(FLOAT x) { return FLOAT(1) / (FLOAT(1) + unit_exp(-x)); }
__device__ inline FLOAT unit_softplus(FLOAT x) { return fmax(x, FLOAT(0)) + log1p(unit_exp(-fabs(x))); }
__device__ inline FLOAT unit_log_cosh(FLOAT x) { return fabs(x) + log1p(unit_exp(FLOAT(-2) * fabs(x))) - FLOAT(0.6931471805599453); }
__device__ inline FLOAT unit_abs(FLOAT x) { return fabs(x); }
__device__ inline FLOAT unit_sin(FLOAT x) { return sin(x); }
__device__ inline FLOAT unit_cos(FLOAT x) { return cos(x); }
__device__ inline FLOAT unit_lgamma(FLOAT x) { return lgamma(x); }
__device__ inline FLOAT unit_raised(FLOAT x, FLOAT exponent) { return pow(x, exponent); }
__device__ inline FLOAT unit_step(FLOAT x) { return x > FLOAT(0) ? FLOAT(1) : FLOAT(0); }

// The root of 2 pi.
#define ROOT 2.5066282746310002

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
