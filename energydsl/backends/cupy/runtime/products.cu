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

// out[i] = sum of a[i, d] b[d], or out[i] += it; `out` has its numbers `width` apart. Blocks of 256 threads: threads beside
// each other read beside each other, and what they hold is summed in order.
extern "C" __global__ void product_vector(const FLOAT* a, int am, int ak, const FLOAT* b, int bk, const FLOAT* row,
                                          int m, int k, FLOAT* out, int width, int add) {
  __shared__ FLOAT part[256];
  int t = threadIdx.x, lanes = ak == 1 ? 32 : 8, lines = 256 / lanes;
  int lane = ak == 1 ? t % lanes : t / lines, line = ak == 1 ? t / lanes : t % lines, i = blockIdx.x * lines + line;
  FLOAT sum = 0;
  if (i < m) {
    for (int d = lane; d < k; d += lanes) sum += a[place(i) * am + place(d) * ak] * b[place(d) * bk] * (row ? row[d] : FLOAT(1));
  }
  part[line * lanes + lane] = sum;
  __syncthreads();
  if (lane == 0 && i < m) {
    for (int l = 1; l < lanes; ++l) sum += part[line * lanes + l];
    place at = place(i) * width;
    out[at] = add ? out[at] + sum : sum;
  }
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
