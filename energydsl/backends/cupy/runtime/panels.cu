// --- densities without a closed form: panels, as in the NumPy runtime, but one unit at a time, none of them stored

#define ENDLESS 1.7976931348623157e308

struct Panel {
  double left, right, a, b;
};

struct Density {
  const double *eta, *rows, *growth, *bend, *taylor, *holds, *ends, *mapping, *tails, *shift;
  int statistics, row_count, row_size, growth_size, bend_size, taylor_size, end_count, tail_count;
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
      case PANEL_EVEN: return fabs(y) + 2 * (log1p(exp(-fabs(y))) - log(2.0));
      case PANEL_LOGISTIC: return fmin(y, 0.0) - log1p(exp(-fabs(y)));
    }
    return y;
  }

  // The unit at a value of the variable of integration, and log dx/dy without its shift.
  __device__ bool moved() const { return mapping[0] != 0; }
  __device__ double unit(double y) const {
    if (mapping[0] == PANEL_HALF_LINE) return exp(fmin(y, PANEL_HIGH));
    if (mapping[0] == PANEL_WHOLE_LINE) return sinh(fmin(fmax(y, -PANEL_HIGH), PANEL_HIGH));
    if (mapping[0] != PANEL_BOUNDED) return y;
    double t = exp(-fabs(y));
    return mapping[1] + mapping[2] * (y < 0 ? t : 1.0) / (1 + t);
  }
  __device__ double log_slope(double y) const {
    if (mapping[0] == PANEL_HALF_LINE) return mapping[3] * y;
    if (mapping[0] == PANEL_WHOLE_LINE) return 0.5 * mapping[3] * shape(PANEL_EVEN, 2 * y);
    return mapping[0] == PANEL_BOUNDED ? shape(PANEL_LOGISTIC, y) + shape(PANEL_LOGISTIC, -y) : 0.0;
  }
  __device__ double shifts() const {
    double total = log(mapping[2]);
    for (int k = 0; k < statistics; ++k) total += eta[k] * shift[k];
    return total;
  }

  // sum_k eta_k T_k at a value of the variable of integration; and log dx/dy
  __device__ double exponent(double at) const {
    double total = log_slope(at), product = 1, x = unit(at);
    for (int r = 0; r < row_count; ++r) {
      const double* row = rows + r * row_size;
      double y = 0, of = row[3] ? at : x;
      for (int d = row_size - 1; d >= PANEL_ROW; --d) y = y * of + row[d];
      y = shape(int(row[1]), y);
      for (int n = 0; n < int(row[2]); ++n) product *= y;
      if (r + 1 == row_count || row[row_size] != row[0]) total += eta[int(row[0])] * product, product = 1;
    }
    return total;
  }

  // A bound of its second derivative; and of how fast arguments of functions change, in the last row.
  __device__ double curvature(double left, double right, double& rate) const {
    if (moved()) return moved_curvature(left, right, rate);
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
      for (int d = row_size - 1; d >= PANEL_ROW; --d) {
        int k = d - PANEL_ROW;
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

  // The slope of a sigmoid where an interval is nearest to 0.
  __device__ static double nearest(double low, double high) {
    double t = exp(-(low * high > 0 ? fmin(fabs(low), fabs(high)) : 0.0));
    return t / ((1 + t) * (1 + t));
  }

  // The same where the unit is not the variable of integration, by the rules of the product and of the chain.
  __device__ double moved_curvature(double left, double right, double& rate) const {
    double local = nearest(left, right), found = mapping[0] == PANEL_BOUNDED ? 2 * local : 0.0;
    double ends[2] = {unit(left), unit(right)}, x_speed = mapping[0] == PANEL_BOUNDED ? mapping[2] * local : ends[1];
    double f = 1, df = 0, ddf = 0;
    if (mapping[0] == PANEL_WHOLE_LINE) {
      found = fabs(mapping[3]) * 4 * nearest(2 * left, 2 * right);
      x_speed = cosh(fmin(fmax(fabs(left), fabs(right)), PANEL_HIGH));
    }
    rate = found > PANEL_LOW ? 1 : 0;
    for (int r = 0; r < row_count; ++r) {
      const double* row = rows + r * row_size;
      bool inner = row[3] != 0;
      double a = inner ? left : ends[0], b = inner ? right : ends[1], speed = inner ? 1 : x_speed, bent = inner ? 0 : x_speed;
      double size = fmax(fabs(a), fabs(b)), low = 0, high = 0, slope = 0, curved = 0;
      for (int d = row_size - 1; d >= PANEL_ROW; --d) {
        int k = d - PANEL_ROW;
        double c = fabs(row[d]);
        low = low * a + row[d], high = high * b + row[d];
        if (k > 0) slope = slope * size + k * c;
        if (k > 1) curved = curved * size + k * (k - 1) * c;
      }
      curved = curved * speed * speed + slope * bent, slope *= speed;
      double beyond = curved * (right - left) * (right - left) / 8, least = fmin(low, high) - beyond, most = fmax(low, high) + beyond;
      double height = fabs(eta[int(row[0])]), g, dg, ddg;
      bool live;
      if (row[1] == PANEL_EXP || row[1] == PANEL_BUMP) {
        g = exp(fmin(most, PANEL_HIGH)), dg = g * slope, ddg = g * (slope * slope + curved);
        live = height * g > PANEL_LOW, slope *= 2;
      } else if (row[1] == PANEL_LOGISTIC) {
        double near = nearest(least, most);
        g = -shape(PANEL_LOGISTIC, least), dg = 0.5 * (1 - tanh(0.5 * least)) * slope, ddg = near * slope * slope;
        live = near > PANEL_LOW, slope *= 2;
      } else {
        g = row[4] + row[5] * fmax(fabs(least), fabs(most));
        dg = row[6] * slope, ddg = row[7] * slope * slope + row[6] * curved;
        live = row[7] > 0;
      }
      if (live) rate = fmax(rate, slope);
      for (int n = 0; n < int(row[2]); ++n) {
        double value = f * g, first = df * g + f * dg;
        ddf = ddf * g + 2 * df * dg + f * ddg, df = first, f = value;
      }
      if (r + 1 == row_count || row[row_size] != row[0]) {
        if (height > 0) found += height * ddf;
        f = 1, df = 0, ddf = 0;
      }
    }
    return found;
  }

  // Rows of tails: side, growth, degree, statistic, factor, whether exact. Whether two grow alike.
  __device__ bool alike(int r, int q) const {
    const double *a = tails + 6 * r, *b = tails + 6 * q;
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
  }
  __device__ bool first_on(int r, int side) const { return tails[6 * r] == side && (r == 0 || !alike(r - 1, r)); }

  // The factor of what grows alike, from the first of these rows on; `start` is added where that does not grow.
  __device__ double order(int first, double start) const {
    double total = tails[6 * first + 1] == 0 && tails[6 * first + 2] == 0 ? start : 0.0;
    for (int r = first; r < tail_count && alike(r, first); ++r) {
      int k = int(tails[6 * r + 3]);
      double value = tails[6 * r + 4] * (k >= 0 ? eta[k] : 1.0);
      total += tails[6 * r + 5] ? value : fabs(value);
    }
    return total;
  }

  __device__ static bool too_short(double factor, double firm, double growth, double degree, int count, double reach) {
    if (!(factor > 0)) return false;
    double turn = growth > 0 ? -degree / growth : 0.0;
    double gain = log(firm) - log(count * factor) + degree * log(reach) + growth * reach;
    return !(gain >= 0 && reach >= turn);
  }

  // How far the mass reaches on one side; not a number where nothing holds it.
  __device__ double side(int which, double start) const {
    double firm = 0, reach = 1;
    int holder = 0, count = 1;
    for (int r = 0; r < tail_count; ++r) {
      if (!first_on(r, which)) continue;
      double total = order(r, start);
      ++count;
      if (firm == 0 && total != 0) firm = -total, holder = r;
    }
    if (!(firm > 0)) return nan("");
    double growth = tails[6 * holder + 1], degree = tails[6 * holder + 2];
    for (int n = 0; n < PANEL_FAR; ++n, reach *= 2) {
      bool is_short = too_short(start, firm, growth, degree, count, reach);
      for (int r = holder + 1; r < tail_count; ++r)
        if (first_on(r, which))
          is_short = too_short(order(r, start), firm, growth - tails[6 * r + 1], degree - tails[6 * r + 2], count, reach) || is_short;
      if (!is_short) return reach;
    }
    return nan("");
  }

  // Whether there is a density; finds how far it reaches: less far where a wall stands.
  __device__ bool proper() {
    low = -ENDLESS, high = ENDLESS;
    bool held = false;
    if (moved()) {
      double start = PANEL_DEEP - exponent(0);
      low = -side(-1, start), high = side(1, start);
      return isfinite(low) && isfinite(high);
    }
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
        double height = 0 - eta[int(row[0])], edge = (log(most / height) - row[PANEL_ROW]) / row[PANEL_ROW + 1];
        if (!(height >= 0)) return false;
        if (row[PANEL_ROW + 1] > 0) high = fmin(high, edge);
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
