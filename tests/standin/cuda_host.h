// CUDA's built-in names for a host compiler: the threads of a block are fibres that take turns at __syncthreads().
#include <math.h>
#include <setjmp.h>
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
static jmp_buf scheduler;
struct Point {
  jmp_buf at;
};
static std::vector<Point> points;
static std::vector<char> stacks, state;
static unsigned current;
static const std::function<void()>* body;
enum { STACK = 1 << 16, NEW = 0, WAITING = 1, DONE = 2 };

static void enter() {
  (*body)();
  state[current] = DONE;
  _longjmp(scheduler, 1);
}

// Go on with a thread until it waits or is done: a fresh stack at first, then a jump, which costs no system call.
static void go_on(unsigned t) {
  current = t, threadIdx = {t, 0, 0};
  if (_setjmp(scheduler)) return;
  if (state[t] == WAITING) _longjmp(points[t].at, 1);
  ucontext_t fibre;
  getcontext(&fibre);
  fibre.uc_stack.ss_sp = &stacks[size_t(t) * STACK];
  fibre.uc_stack.ss_size = STACK;
  fibre.uc_link = nullptr;
  makecontext(&fibre, enter, 0);
  setcontext(&fibre);
}

// Every block in turn, its threads round and round from barrier to barrier until all are done.
static void launch(dim3 grid, unsigned threads, const std::function<void()>& kernel) {
  gridDim = grid, blockDim = {threads, 1, 1}, body = &kernel;
  points.resize(threads), stacks.resize(size_t(threads) * STACK);
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        state.assign(threads, NEW);
        for (unsigned left = threads; left > 0;) {
          left = 0;
          for (unsigned t = 0; t < threads; ++t) {
            if (state[t] != DONE) go_on(t);
            left += state[t] != DONE;
          }
        }
      }
}
}  // namespace host

static void __syncthreads() {
  host::state[host::current] = host::WAITING;
  if (!_setjmp(host::points[host::current].at)) _longjmp(host::scheduler, 1);
}
