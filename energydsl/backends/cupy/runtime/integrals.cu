// --- integrals of densities over their panels: moments, mode and draws

// The integral of exp(exponent - top) between two places.
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
      double x = panel.left + (panel.right - panel.left) * n / PANEL_GRID, f = d.exponent(x) - d.log_slope(x);
      if (f > best) at = x, best = f, width = (panel.right - panel.left) / PANEL_GRID;
    }
  for (int round = 0; round < PANEL_FINER; ++round, width /= PANEL_GRID) {
    double centre = at, top = -ENDLESS;
    for (int n = 0; n <= 2 * PANEL_GRID; ++n) {
      double x = clipped(centre + width * (double(n) / PANEL_GRID - 1), d.ends[0], d.ends[d.end_count - 1]);
      double f = d.exponent(x) - d.log_slope(x);
      if (f > top) at = x, top = f;
    }
  }
  return d.unit(at);
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
  if (rise != 0) return d.unit(edge_of(last, rise));
  double a = last.left, b = last.right, x = a + (b - a) * target / here;
  for (int n = 0; n < PANEL_NEWTON; ++n) {
    double excess = mass_of(d, last.left, x, walk.top) - target;
    (excess < 0 ? a : b) = x;
    x -= excess / exp(d.exponent(x) - walk.top);
    if (!(x >= a && x <= b)) x = 0.5 * (a + b);
  }
  return d.unit(x);
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
  double mass = 0, first = 0, second = 0, fall = 0, centre = d.unit(walk.at);
  for (walk.start(d); walk.next(d, panel, false);) {
    double half = 0.5 * (panel.right - panel.left);
    if (walk.rise != 0) {
      double y = edge_of(panel, walk.rise), x = d.unit(y) - centre, w = mass_of(d, panel, walk);
      mass += w, first += w * x, second += w * x * x;
      fall += w > 0 ? w * (d.exponent(y) - d.log_slope(y) - walk.top - 1) : 0.0;
      continue;
    }
    for (int n = 0; n < 8; ++n) {
      double y = panel.left + half * (1 + RULE[n][0]), f = fmin(d.exponent(y) - walk.top, PANEL_CURVED);
      double w = half * RULE[n][1] * exp(f), x = d.unit(y) - centre;
      mass += w, first += w * x, second += w * x * x;
      fall += w > 0 ? w * (f - d.log_slope(y)) : 0.0;
    }
  }
  if (walk.left_over <= 0 || !(mass > 0)) return nan("");
  first /= mass;
  if (what == LOG) return walk.top + log(mass) + d.shifts();
  if (what == MEAN) return centre + first;
  if (what == VARIANCE) return second / mass - first * first;
  if (what == ENTROPY) return log(mass) - fall / mass + log(d.mapping[2]);
  return draw_of(d, walk, u * mass);
}

extern "C" __global__ void integrate_densities(int what, const double* eta, const double* u, int statistics, const double* rows,
                                     const double* growth, const double* bend, const double* taylor, int row_count,
                                     int row_size, int growth_size, int bend_size, int taylor_size, const double* holds, const double* ends,
                                     const double* mapping, const double* tails, const double* shift, int end_count,
                                     int tail_count, double* out, int size) {
  for (int j = blockIdx.x * blockDim.x + threadIdx.x; j < size; j += gridDim.x * blockDim.x) {
    Density d{eta + j * statistics, rows, growth, bend, taylor, holds, ends, mapping, tails, shift, statistics, row_count,
              row_size, growth_size, bend_size, taylor_size, end_count, tail_count, 0, 0};
    out[j] = integral_of(what, d, u[j]);
  }
}
