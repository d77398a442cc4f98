// CUDA's built-in names for a host compiler: the threads of a block are fibres that take turns at __syncthreads().
#include <math.h>
#include <ucontext.h>

#include <functional>
#include <vector>

#define __device__
#define __global__
#define __shared__ static

struct dim3 {
  unsigned x, y, z;
};
static dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace host {
static ucontext_t scheduler;
static std::vector<ucontext_t> fibres;
static std::vector<char> stacks, done;
static unsigned current;
static const std::function<void()>* body;
enum { STACK = 1 << 16 };

static void enter() {
  (*body)();
  done[current] = 1;
}

// Every block in turn, its threads round and round from barrier to barrier until all are done.
static void launch(dim3 grid, unsigned threads, const std::function<void()>& kernel) {
  gridDim = grid, blockDim = {threads, 1, 1}, body = &kernel;
  fibres.resize(threads), done.resize(threads), stacks.resize(size_t(threads) * STACK);
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        for (unsigned t = 0; t < threads; ++t) {
          getcontext(&fibres[t]);
          fibres[t].uc_stack.ss_sp = &stacks[size_t(t) * STACK];
          fibres[t].uc_stack.ss_size = STACK;
          fibres[t].uc_link = &scheduler;
          makecontext(&fibres[t], enter, 0);
          done[t] = 0;
        }
        for (unsigned left = threads; left > 0;) {
          left = 0;
          for (unsigned t = 0; t < threads; ++t) {
            if (done[t]) continue;
            current = t, threadIdx = {t, 0, 0};
            swapcontext(&scheduler, &fibres[t]);
            left += !done[t];
          }
        }
      }
}
}  // namespace host

static void __syncthreads() {
  swapcontext(&host::fibres[host::current], &host::scheduler);
}
