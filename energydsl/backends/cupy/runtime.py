"""What generated CuPy kernels stand on, beside the NumPy runtime. Copied into every standalone module.

Everything runs on one stream (`held`). Products go to cuBLAS, small ones and captured ones to a kernel of ours; draws,
gains and steps are kernels of CUDA_SOURCE, generated from the formulas of the domains.
"""

import contextlib
import functools
import math
import threading

import cupy as np
import numpy

FLOAT = numpy.float32
PRECISION = "full"
CUDA_SOURCE = ""


class Device(threading.local):
    """The kernels, the stream and what goes with them, made when first used; each thread of Python has its own."""

    def __init__(self):
        self.depth, self.capturing, self.moved, self.kernels = 0, False, None, {}

    @functools.cached_property
    def stream(self):
        return np.cuda.Stream(non_blocking=True)

    @functools.cached_property
    def module(self):
        return np.RawModule(code=CUDA_SOURCE, options=("-std=c++17",), backend="nvrtc")

    def kernel(self, name):
        """A kernel of CUDA_SOURCE."""
        if name not in self.kernels:
            self.kernels[name] = self.module.get_function(name)
        return self.kernels[name]

    @functools.cached_property
    def processors(self):
        return np.cuda.Device().attributes["MultiProcessorCount"]

    def __call__(self, name, size, *arguments):
        """Launch a kernel over `size` independent threads."""
        blocks = max(1, min(-(-size // 256), 16 * self.processors))
        self.kernel(name)((blocks,), (256,), arguments)


DEVICE = Device()
SINGLE = numpy.float32 == FLOAT
NULL = numpy.uintp(0)
whole, word = numpy.int32, numpy.uint32
WORDS = 4 if SINGLE else 2
TILE = 32
SMALL = 1 << 28


class Workspace(threading.local):
    """Arrays by name and shape, other ones in each thread. They are never given up: a recorded update may still write to them."""

    def __init__(self, dtype=FLOAT):
        self.dtype = numpy.dtype(dtype)
        self.arrays = {}

    def __call__(self, name, shape):
        """The array of that name and shape, contents undefined."""
        if (name, shape) not in self.arrays:
            self.arrays[name, shape] = np.empty(shape, self.dtype)
        return self.arrays[name, shape]


@contextlib.contextmanager
def single_threaded_blas():
    """Everything inside goes to our stream, after what was before and before what comes after; may be nested."""
    if DEVICE.depth:
        yield
        return
    outer = np.cuda.get_current_stream()
    DEVICE.stream.wait_event(outer.record())
    DEVICE.depth += 1
    try:
        with DEVICE.stream:
            yield
    finally:
        DEVICE.depth -= 1
        outer.wait_event(DEVICE.stream.record())


def host(array):
    """A NumPy array of the values."""
    return array.get() if isinstance(array, np.ndarray) else numpy.asarray(array)


def load(target, values):
    """Copy values of the host or the device into an array, in the order of the stream."""
    target[...] = np.asarray(values, target.dtype)


class Captured:
    """A function without arguments whose work on the device is recorded at its third call and replayed from then on.

    It must do the same work on the same arrays at every call; what varies lies in arrays. `random` goes on as if the
    function had been called. Arrays made on the way come from a pool of its own, so that nobody else gets them.
    """

    def __init__(self, function, random):
        self.function, self.random = function, random
        self.calls, self.graph, self.result, self.refused = 0, None, None, ""
        self.moved = np.zeros(1, numpy.uint32)
        self.pool = np.cuda.MemoryPool()

    def __call__(self):
        if self.graph is None:
            self.calls += 1
            with np.cuda.using_allocator(self.pool.malloc):
                if self.calls < 3 or not self.record():
                    return self.function()
        elif self.random.sweep != self.expected:
            self.moved[...] = word((self.random.sweep - self.first) & 0xFFFFFFFF)
        self.graph.launch(DEVICE.stream)
        self.random.sweep, self.random.block = (self.random.sweep + self.sweeps) & 0xFFFFFFFF, self.block
        self.expected = self.random.sweep
        return self.result

    def __del__(self):
        """Blocks of a pool that is let go are not given back by themselves."""
        with contextlib.suppress(Exception):
            self.graph = self.result = None
            self.pool.free_all_blocks()

    def record(self):
        """Record the function; False where it does what cannot be recorded, so that it will be called for ever."""
        self.first = self.expected = self.random.sweep
        block, graph, done = self.random.block, None, False
        DEVICE.kernel("product")
        DEVICE("move_on", 1, self.moved, word(0))
        DEVICE.moved, DEVICE.capturing = self.moved, True
        DEVICE.stream.begin_capture()
        try:
            self.result = self.function()
            self.sweeps, self.block = (self.random.sweep - self.first) & 0xFFFFFFFF, self.random.block
            DEVICE("move_on", 1, self.moved, word(self.sweeps))
            done = True
        except RuntimeError as error:
            self.calls, self.refused = -(1 << 60), str(error)
        finally:
            DEVICE.moved, DEVICE.capturing = None, False
            with contextlib.suppress(RuntimeError):
                graph = DEVICE.stream.end_capture()
        self.graph = graph if done else None
        self.random.sweep, self.random.block = self.first, block
        return self.graph is not None


def repeated(function, random, work):
    """The function, made cheap to call again and again where launching its kernels takes longer than running them."""
    return Captured(function, random) if work <= 4 * SMALL else function


# --- random numbers


class Stream:
    """Uniform numbers by Philox4x32-10, the same as the NumPy runtime's, made on the device."""

    def __init__(self, seed=0, chain=0):
        self.key = [int(k) for k in numpy.random.SeedSequence(seed).generate_state(2)]
        self.sweep, self.block, self.chain = 0, 0, chain

    def next(self):
        """Go on to the next sweep."""
        self.sweep, self.block = (self.sweep + 1) & 0xFFFFFFFF, 0

    def __call__(self, out):
        """Fill `out`, chains first, and go on to the next block."""
        return fill(self, out)


def numbers_of(random):
    """The arguments of a kernel that draws: key, block, sweep, sweeps to add, first chain."""
    k0, k1 = random.key
    moved = NULL if DEVICE.moved is None else DEVICE.moved
    return word(k0), word(k1), word(random.block), word(random.sweep), moved, word(random.chain)


def fill(random, out):
    """Fill an array with the numbers of a stream, or with those given explicitly."""
    if not hasattr(random, "key"):
        given = random(numpy.empty(out.shape, FLOAT))
        out[...] = np.asarray(given)
        return out
    units = out.size // max(1, len(out))
    k0, k1, block, sweep, moved, chain = numbers_of(random)
    DEVICE("fill_uniforms", out.size, out, whole(len(out)), whole(units), k0, k1, block, sweep, moved, chain)
    random.block += 1
    return out


# --- products


def strides(a):
    """Distances of rows and columns of a matrix, in numbers."""
    return [stride // a.itemsize for stride in a.strides]


def matmul(a, b, out=None, add=False, row=None):
    """The product of two matrices, into `out` (added to it); row: weights of the axis that is summed over."""
    if a.ndim == 1 or b.ndim == 1:
        left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
        shape = a.shape[:-1] + b.shape[1:]
        into = None if out is None else out.reshape(len(left), right.shape[1])
        return matmul(left, right, into, add, row).reshape(shape)
    m, k, n = *a.shape, b.shape[1]
    result = np.empty((m, n), FLOAT) if out is None else out
    a, b = (x if x.dtype == FLOAT else x.astype(FLOAT) for x in (a, b))
    if DEVICE.capturing or m * n * k <= SMALL or strides(result)[1] != 1:
        weights = NULL if row is None else row.astype(FLOAT, copy=False)
        sides = [whole(s) for s in (*strides(a), *strides(b))]
        grid = (max(1, -(-n // TILE)), max(1, -(-m // TILE)))
        arguments = (a, *sides[:2], b, *sides[2:], weights, whole(m), whole(n), whole(k))
        DEVICE.kernel("product")(grid, (256,), (*arguments, result, whole(strides(result)[0]), whole(add)))
        return result
    gemm(a, b if row is None else b * row[:, None], result, float(add))
    return result


_KINDS = {"float32": 0, "float64": 1, "uint16": 14}
_FULL, _TF32, _DOUBLE = 68, 77, 70


def gemm(a, b, out, beta):
    """out = A B + beta out by cuBLAS, in the precision that is set."""
    terms = {"bf16x2": 2, "bf16x3": 3}.get(PRECISION, 0)
    if not terms:
        gemm_once(plain(a), plain(b), out, beta, (_TF32 if PRECISION == "tf32" else _FULL) if SINGLE else _DOUBLE)
        return
    parts_a, parts_b = split(a, terms), split(b, terms)
    for i in range(terms):
        for j in range(terms - i):
            gemm_once(parts_a[i], parts_b[j], out, beta, _FULL)
            beta = 1.0


def plain(a):
    """The matrix with its rows or its columns contiguous."""
    size, (down, along) = a.itemsize, a.strides
    if (along == size and down >= size * a.shape[1]) or (down == size and along >= size * a.shape[0]):
        return a
    return np.ascontiguousarray(a)


def split(a, terms):
    """A matrix as a sum of bf16 matrices, each the rounded rest of those before it (bits in uint16)."""
    turned = a.strides[0] == a.itemsize and a.shape[0] > 1
    straight = np.ascontiguousarray(a.T if turned else a)
    out = np.empty((terms, *straight.shape), numpy.uint16)
    DEVICE("split", straight.size, straight, whole(straight.size), whole(terms), out)
    return [out[t].T if turned else out[t] for t in range(terms)]


def gemm_once(a, b, out, beta, compute):
    """One call of cuBLAS. Its matrices lie column by column, so it is asked for the transpose, B' A'."""
    real = numpy.float64 if compute == _DOUBLE else numpy.float32
    one, beta = numpy.ones(1, real), numpy.full(1, beta, real)
    (m, k), n = a.shape, b.shape[1]
    sides = []
    for x in (b, a):
        straight = strides(x)[1] == 1 and (strides(x)[0] >= x.shape[1] or x.shape[0] == 1)
        apart = max(strides(x)[0] if straight else strides(x)[1], x.shape[1] if straight else x.shape[0])
        sides.append((0 if straight else 1, x.data.ptr, _KINDS[x.dtype.name], apart))
    (turn_b, at_b, kind_b, apart_b), (turn_a, at_a, kind_a, apart_a) = sides
    np.cuda.cublas.gemmEx(
        np.cuda.device.get_cublas_handle(), turn_b, turn_a, n, m, k, one.ctypes.data,
        at_b, kind_b, apart_b, at_a, kind_a, apart_a, beta.ctypes.data,
        out.data.ptr, _KINDS[out.dtype.name], max(strides(out)[0], n), compute, -1,
    )  # fmt: skip


def tensordot(a, b, axes):
    """np.tensordot by way of `matmul`."""
    left, right = axes
    free_a = [k for k in range(a.ndim) if k not in left]
    free_b = [k for k in range(b.ndim) if k not in right]
    inner = int(numpy.prod([a.shape[k] for k in left]))
    matrix_a = a.transpose([*free_a, *left]).reshape(-1, inner)
    matrix_b = b.transpose([*right, *free_b]).reshape(inner, -1)
    return matmul(matrix_a, matrix_b).reshape([a.shape[k] for k in free_a] + [b.shape[k] for k in free_b])


def einsum(spec, a, b):
    """np.einsum of two arrays by broadcasting, which can be recorded; large ones are left to CuPy."""
    left, right, out = spec.replace("->", ",").split(",")
    sizes = dict(zip(left + right, a.shape + b.shape))
    if not DEVICE.capturing and math.prod(sizes.values()) > SMALL // 4:
        return np.einsum(spec, a, b)
    order = out + "".join(sorted(set(left + right) - set(out)))
    sides = []
    for letters, array in ((left, a), (right, b)):
        shown = sorted(letters, key=order.index)
        turned = array.transpose([letters.index(x) for x in shown])
        sides.append(turned.reshape([sizes[x] if x in letters else 1 for x in order]))
    product = sides[0] * sides[1]
    return product.sum(axis=tuple(range(len(out), len(order)))) if len(order) > len(out) else product


# --- draws, gains, steps


def flat(value, shape):
    """An array as (chains, entries), or (1, entries) where it does not vary with the chains, contiguous; and its rows."""
    array = np.asarray(value, FLOAT)
    if array.ndim != len(shape):
        array = np.broadcast_to(array, shape[1:])[None]
    array = np.ascontiguousarray(array).reshape(len(array), -1)
    return array, whole(len(array))


def optional(value, shape):
    absent = value is None or (not isinstance(value, np.ndarray) and value == 0.0)
    return (NULL, whole(1)) if absent else flat(value, shape)


def draw(
    family, eta1, eta2, random, out, states=1, means=(None, None), product=None, scale=1.0, base=None, bounds=(0.0, 0.0)
):
    """Draw units of a family with one kernel call, their moments beside them where they are wanted.

    The first natural parameter is scale * eta1 + base, after the product of two matrices has been written into eta1
    (or, where `product` says so in its third place, added to it).
    """
    target, rows = out, len(out)
    if not out.flags.c_contiguous:
        target = np.empty(out.shape, FLOAT)
    entries = out.size // max(1, rows)
    name, leading = f"draw_{family}", ()
    shape = (*out.shape, states) if family in TABLES else out.shape
    if product is not None:
        a, b, add = product
        if states == 1 and (DEVICE.capturing or rows * entries * a.shape[1] <= SMALL) and a.dtype == b.dtype == FLOAT:
            name = f"product_draw_{family}"
            sides = [whole(s) for s in (*strides(a), *strides(b))]
            leading = (a, *sides[:2], b, *sides[2:], whole(a.shape[1]), whole(add))
        else:
            matmul(a, b, out=eta1.reshape(rows, -1), add=add)
    if hasattr(random, "key"):
        numbers = (NULL, *numbers_of(random))
        random.block += 1
    else:
        given = random(numpy.empty(out.shape[:-1] if states > 1 and shape == out.shape else out.shape, FLOAT))
        numbers = (np.asarray(given), word(0), word(0), word(0), word(0), NULL, word(0))
    mean, square = (NULL if m is None else m for m in means)
    arguments = (
        *leading, *flat(eta1, shape), *optional(eta2, shape), *optional(base, shape), FLOAT(scale),
        *map(numpy.float64, bounds), *numbers, whole(rows), whole(entries), whole(states), target, mean, square,
    )  # fmt: skip
    if leading:
        grid = (max(1, -(-entries // TILE)), max(1, -(-rows // TILE)))
        DEVICE.kernel(name)(grid, (256,), arguments)
    else:
        DEVICE(name, -(-out.size // (4 * states)), *arguments)
    if target is not out:
        out[...] = target
    return out


def log_partition_difference(family, etas, before, after, shape, bounds=(0.0, 0.0)):
    """The sum over units of A(after) - A(before), shape (chains,): A at natural parameters moved two ways."""
    whole_shape = etas[0].shape
    chains, entries = len(etas[0]), etas[0].size // max(1, len(etas[0]))
    fields = [*flat(etas[0], whole_shape), *optional(etas[1] if len(etas) > 1 else None, whole_shape)]
    ends = []
    for scale, offsets in (before, after):
        bases = [flat(np.broadcast_to(np.asarray(o, FLOAT), whole_shape[1:]), whole_shape)[0] for o in offsets]
        ends += [*bases, *[NULL] * (2 - len(bases)), FLOAT(scale)]
    states = entries // max(1, int(numpy.prod(shape)))
    out = np.empty(chains, numpy.float64)
    arguments = (*fields, *ends, whole(chains), whole(entries), whole(states), *map(numpy.float64, bounds), out)
    DEVICE.kernel(f"gain_{family}")((max(1, min(chains, 65535)),), (256,), arguments)
    return out


def axpy(value, direction, factor):
    """value += factor * direction, in place; parts of the sums of squares of the direction and of the new value.

    factor: a number, or an array of one on the device.
    """
    blocks = max(1, min(-(-value.size // 256), 256))
    sums = np.empty((2, blocks), numpy.float64)
    straight = np.ascontiguousarray(direction)
    varies = isinstance(factor, np.ndarray)
    DEVICE.kernel("axpy")(
        (blocks,), (256,),
        (value, straight, FLOAT(1.0 if varies else factor), factor if varies else NULL, whole(value.size), sums),
    )  # fmt: skip
    return sums[0], sums[1]


def square_sum(array):
    """The sum of squares of all entries, on the device."""
    return (array * array).sum()


class Scatter:
    """Adds columns of values to the columns of an output that `index` names; several may go to one, always in order."""

    def __init__(self, index, size):
        flat = host(index).ravel()
        order = numpy.argsort(flat, kind="stable")
        ordered = flat[order]
        starts = numpy.flatnonzero(numpy.r_[True, ordered[1:] != ordered[:-1]]) if len(flat) else flat
        targets = ordered[starts] if len(flat) else flat
        self.order, self.targets = np.asarray(order, whole), np.asarray(targets, whole)
        self.starts = np.asarray(numpy.append(starts, len(flat)), whole)
        self.size, self.entries = size, len(flat)

    def __call__(self, output, values):
        """output[..., index] += values, over the last axis; output has `size` columns."""
        rows = output.size // max(1, self.size)
        source = np.ascontiguousarray(np.broadcast_to(values, (*output.shape[:-1], self.entries)), FLOAT)
        target = output if output.flags.c_contiguous else np.ascontiguousarray(output)
        DEVICE(
            "scatter", rows * len(self.targets), target, source, self.order, self.starts, self.targets,
            whole(rows), whole(self.size), whole(len(self.targets)), whole(self.entries),
        )  # fmt: skip
        if target is not output:
            output[...] = target


_WHAT = ("log", "mean", "variance", "entropy", "mode", "draw")


def integrated(what, density, etas, u=0.0):
    """log of the integral, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined."""
    shape = numpy.broadcast_shapes(*(getattr(a, "shape", ()) for a in (*etas, u)))
    eta, uniform, out = (np.empty(s, numpy.float64) for s in ((*shape, len(etas)), shape, shape))
    for k in range(len(etas)):
        eta[..., k] = etas[k]
    uniform[...] = u
    sizes = (
        len(density.rows),
        density.rows.shape[1],
        density.growth.shape[1],
        density.bend.shape[1],
        len(density.taylor),
    )
    DEVICE(
        "integrate", out.size, whole(_WHAT.index(what)), eta, uniform, whole(len(etas)), density.rows, density.growth,
        density.bend, density.taylor, *map(whole, sizes), density.holds, density.ends, whole(len(density.ends)), out,
        whole(out.size),
    )  # fmt: skip
    return out


# --- what CuPy has otherwise, or not at all

quiet = silent = contextlib.nullcontext


def lgamma(x):
    """Log Gamma(x), elementwise."""
    from cupyx.scipy import special

    return special.gammaln(x)


def digamma(x):
    """D log Gamma(x) / dx, elementwise."""
    from cupyx.scipy import special

    return special.digamma(x)


def ndtri(u, out=None):
    """Quantile of the standard normal distribution at u in [0, 1)."""
    from cupyx.scipy import special

    value = special.ndtri(np.clip(u.astype(numpy.float64), 2.0**-26 if SINGLE else 2.0**-54, 1.0 - 2.0**-53))
    out = np.empty_like(u) if out is None else out
    out[...] = value
    return out


def unpack(text, shape):
    """Whole numbers from their packed text."""
    packed = numpy.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4")
    return np.asarray(packed.reshape(shape).astype(numpy.int64))


def by_colour(colours):
    """The units of each colour, in order."""
    flat = host(colours)
    return [np.asarray(numpy.flatnonzero(flat == k)) for k in range(flat.max() + 1)]
