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
