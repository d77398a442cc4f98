"""What generated Numba kernels stand on, beside the NumPy runtime. Copied into every standalone module.

Every region that runs in parallel is one of ours:
products are cut into rows that each thread multiplies by itself, with the BLAS library held to one thread (`held`), so
that the two never compete for a core.
"""

import contextlib
import ctypes
import functools
import os
import threading
from collections import namedtuple
from types import FunctionType

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from threadpoolctl import ThreadpoolController

FLOAT = np.float32


class Blas(threading.local):
    """The matrix product of NumPy's own BLAS library by its address, and the threads of every such library.

    Each thread of Python has its own `depth` (of `held`) and number of `threads`; the rest is one for all.
    `address` is 0 where that library is not found (as on a Mac); products are then left to np.matmul.
    """

    lock, forked = threading.RLock(), False
    address, libraries = 0, None
    # How many threads of Python hold the libraries, and what threads these had before the first of them came.
    holders, before = 0, ()

    def __init__(self):
        self.depth, self.threads = 0, 1

    @classmethod
    def find(cls):
        """Look for the libraries once."""
        if cls.libraries is not None:
            return
        cls.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        letter = "s" if np.float32 == FLOAT else "d"
        names = (f"scipy_{letter}gemm_64_", f"{letter}gemm_64_", f"scipy_{letter}gemm_", f"{letter}gemm_")
        for library in sorted(cls.libraries, key=lambda c: "numpy" not in c.filepath):
            handle = ctypes.CDLL(library.filepath)
            found = [getattr(handle, n) for n in names if hasattr(handle, n)]
            if found:
                cls.address = ctypes.cast(found[0], ctypes.c_void_p).value
                return

    @classmethod
    def allow(cls, library, count):
        """Give a library so many threads: all of the process, or (where it runs on OpenMP) this thread of Python."""
        # From 3.8 on threadpoolctl obeys one thread of Python alone, the first, until it is told to forget it.
        getattr(library, "clear_controlling_thread", lambda force: None)(force=True)
        library.set_num_threads(count)

    def __enter__(self):
        self.depth += 1
        if self.depth > 1:
            return
        with Blas.lock:
            self.find()
            self.threads = 1 if Blas.forked else numba.get_num_threads()
            counts = [library.get_num_threads() for library in Blas.libraries]
            if not Blas.holders:
                Blas.before = counts
            Blas.holders += 1
            for library, count in zip(Blas.libraries, counts):
                if count != 1:
                    self.allow(library, 1)

    def __exit__(self, *_):
        self.depth -= 1
        if self.depth:
            return
        with Blas.lock:
            Blas.holders -= 1
            for library, count in zip(Blas.libraries, Blas.before):
                if count != 1 and (not Blas.holders or getattr(library, "threading_layer", "") == "openmp"):
                    self.allow(library, count)

    def after_fork(self):
        """In a forked process: only the thread that forked is left, and Numba's threads are gone."""
        Blas.lock, Blas.forked = threading.RLock(), True
        Blas.holders, self.threads = min(self.depth, 1), 1


BLAS = Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BLAS.after_fork)


SINGLE = np.float32 == FLOAT
FAST = {"contract", "nsz", "reassoc", "arcp"}
WORDS = 4 if SINGLE else 2
scalar = njit(fastmath=FAST, error_model="numpy", inline="always")


def single_threaded_blas():
    """One thread for BLAS inside, what there was outside; may be nested."""
    return BLAS


class Parallel:
    """A kernel whose `prange` loops run on Numba's threads; in a forked process, where those are gone, on its only one."""

    # Two regions at once would end the process on the workqueue layer; on the others they may overlap.
    numba.get_num_threads()
    turn = threading.Lock() if numba.threading_layer() == "workqueue" else contextlib.nullcontext()

    def __init__(self, function, options):
        self.function, self.options = function, options
        self.threaded = njit(parallel=True, cache=True, **options)(function)

    @functools.cached_property
    def alone(self):
        """The same without threads, kept under another name."""
        found = self.function
        function = FunctionType(found.__code__, found.__globals__, f"{found.__name__}_alone")
        function.__qualname__ = function.__name__
        return njit(cache=True, **self.options)(function)

    def __call__(self, *arguments):
        if Blas.forked:
            return self.alone(*arguments)
        with Parallel.turn:
            return self.threaded(*arguments)


def parallel(**options):
    """Compile a function as a `Parallel` kernel."""
    return lambda function: Parallel(function, options)


@scalar
def edge(length, number, count):
    """Where piece `number` of `count` begins: BLAS libraries multiply rows by fours."""
    return min(length, (length * number // count + 3) // 4 * 4)


def pieces(work):
    """Into how many pieces to cut: one a thread, or one where that does not pay."""
    return BLAS.threads if BLAS.depth and work > 20_000 else 1


# --- products

_BYTE = ir.IntType(8).as_pointer()


@intrinsic
def gemm(context, address, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc, alpha, beta):
    """C = alpha A B + beta C for row-major arrays at addresses a, b, c, by the Fortran routine at `address`."""
    whole = types.intp
    signature = types.void(*[whole] * 12, alpha, beta)

    def code(context, builder, signature, arguments):
        slots = [builder.bitcast(cgutils.alloca_once_value(builder, v), _BYTE) for v in arguments]
        _, trans_a, trans_b, m, n, k, _, lda, _, ldb, _, ldc, alpha, beta = slots
        a, b, c = (builder.inttoptr(arguments[q], _BYTE) for q in (6, 8, 10))
        routine = builder.inttoptr(arguments[0], ir.FunctionType(ir.VoidType(), [_BYTE] * 13).as_pointer())
        builder.call(routine, (trans_b, trans_a, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc))
        return context.get_dummy_value()

    return signature, code


@parallel()
def product(address, a, lda, trans_a, b, ldb, trans_b, c, ldc, m, n, k, size, alpha, beta, rows, columns):
    """alpha A B + beta C, one piece of C a thread: C is cut into rows x columns pieces."""
    flag_a, flag_b = ord("t") if trans_a else ord("n"), ord("t") if trans_b else ord("n")
    for t in prange(rows * columns):
        i, j = t // columns, t % columns
        top, bottom = edge(m, i, rows), edge(m, i + 1, rows)
        left, right = n * j // columns, n * (j + 1) // columns
        at_a = a + size * (top if trans_a else top * lda)
        at_b = b + size * (left * ldb if trans_b else left)
        at_c = c + size * (top * ldc + left)
        gemm(address, flag_a, flag_b, bottom - top, right - left, k, at_a, lda, at_b, ldb, at_c, ldc, alpha, beta)


@njit
def piece(address, a, lda, trans_a, b, ldb, trans_b, inner, out, top, bottom, add):
    """Rows top..bottom of a product, to those rows of `out` (added to them)."""
    at_a = a + out.itemsize * (top if trans_a else top * lda)
    at_c = out.ctypes.data + out.itemsize * top * out.shape[1]
    flag_a, flag_b = ord("t") if trans_a else ord("n"), ord("t") if trans_b else ord("n")
    width = out.shape[1]
    gemm(address, flag_a, flag_b, bottom - top, width, inner, at_a, lda, b, ldb, at_c, width, FLOAT(1.0), FLOAT(add))


def layout(a):
    """(leading dimension, transposed?) of a matrix as BLAS takes it, or None."""
    size, (down, along) = a.itemsize, a.strides
    if along == size and down >= size * a.shape[1]:
        return down // size, False
    if down == size and along >= size * a.shape[0]:
        return along // size, True
    return None


def matmul(a, b, out=None, add=False, row=None):
    """The product of two matrices into `out` (added to it), in parallel where that pays; row: weights of the inner axis.

    Weights that are constant over long stretches (a phase) are the factors of one product a stretch.
    """
    plain = a.ndim != 2 or b.ndim != 2 or not BLAS.depth or not BLAS.address
    m, k, n = (1, 1, 1) if plain else (*a.shape, b.shape[1])
    if not plain and m * n * k >= 1 << 18 and a.dtype == b.dtype == FLOAT:
        result = np.empty((m, n), FLOAT) if out is None else out
        sides = layout(a), layout(b), layout(result)
        if None not in sides and result.dtype == FLOAT and not sides[2][1]:
            (lda, trans_a), (ldb, trans_b), (ldc, _) = sides
            cut = (BLAS.threads, 1) if m >= min(n, 16 * BLAS.threads) else (1, BLAS.threads)
            starts = [0] if row is None else [0, *(np.flatnonzero(row[1:] != row[:-1]) + 1)]
            if len(starts) <= 1 + k // 64:
                for start, stop in zip(starts, [*starts[1:], k]):
                    at_a = a.ctypes.data + a.itemsize * start * (lda if trans_a else 1)
                    at_b = b.ctypes.data + a.itemsize * start * (1 if trans_b else ldb)
                    alpha = FLOAT(1.0 if row is None else row[start])
                    product(
                        BLAS.address, at_a, lda, trans_a, at_b, ldb, trans_b, result.ctypes.data, ldc,
                        m, n, stop - start, a.itemsize, alpha, FLOAT(add or start > 0), *cut,
                    )  # fmt: skip
                return result
    if row is not None:
        b = b * (row if b.ndim == 1 else row[:, None])
    if add:
        out += np.matmul(a, b)
        return out
    return np.matmul(a, b, out=out)


@njit(fastmath=FAST)
def add_to(value, direction, factor):
    for i in range(len(value)):
        value[i] += factor * direction[i]


@njit(fastmath=FAST)
def squares_of(value):
    total = FLOAT(0.0)
    for i in range(len(value)):
        total += value[i] * value[i]
    return total


@parallel()
def add_pieces(value, direction, factor, parts):
    total = np.zeros((2, parts), np.float64)
    for t in prange(parts):
        begin, end = len(value) * t // parts, len(value) * (t + 1) // parts
        for stop in range(end, begin, -4096):
            piece = slice(max(stop - 4096, begin), stop)
            add_to(value[piece], direction[piece], factor)
            total[0, t] += squares_of(direction[piece])
            total[1, t] += squares_of(value[piece])
    return total[0].sum(), total[1].sum()


def axpy(value, direction, factor):
    """value += factor * direction, in place; the sums of squares of the direction and of the new value."""
    flat = direction.reshape(-1)
    if value.flags.c_contiguous and flat.dtype == value.dtype == FLOAT:
        return add_pieces(value.reshape(-1), flat, FLOAT(factor), pieces(value.size))
    np.add(value, value.dtype.type(factor) * direction, out=value)
    return square_sum(direction), square_sum(value)


def tensordot(a, b, axes):
    """np.tensordot by way of `matmul`."""
    left, right = axes
    free_a = [k for k in range(a.ndim) if k not in left]
    free_b = [k for k in range(b.ndim) if k not in right]
    inner = int(np.prod([a.shape[k] for k in left]))
    matrix_a = a.transpose([*free_a, *left]).reshape(-1, inner)
    matrix_b = b.transpose([*right, *free_b]).reshape(inner, -1)
    return matmul(matrix_a, matrix_b).reshape([a.shape[k] for k in free_a] + [b.shape[k] for k in free_b])


_RATIOS = np.array([_CENTRE, _NEAR, _FAR])


@njit(error_model="numpy")
def quantile(u):
    """Quantile of the standard normal distribution (Wichura 1988, algorithm AS 241), in double precision."""
    u = min(max(u, 2.0**-54), 1.0 - 2.0**-53)
    q = u - 0.5
    near = abs(q) <= 0.425
    r = 0.180625 - q * q if near else math.sqrt(-math.log(min(u, 1.0 - u)))
    which = 0 if near else 1 if r <= 5.0 else 2
    v = r - (0.0, 1.6, 5.0)[which]
    above, below = 0.0, 0.0
    for k in range(7, -1, -1):
        above = above * v + _RATIOS[which, 0, k]
        below = below * v + _RATIOS[which, 1, k]
    return q * above / below if near else math.copysign(above / below, q)


# --- scalar functions: in float32 polynomials without branches, which the compiler turns into vector code

if SINGLE:

    @scalar
    def unit_exp(x):
        """2^n e^r, n the nearest whole number to x / log 2 (Cody & Waite 1980; coefficients of Moshier's Cephes)."""
        x = min(max(x, np.float32(-88.1)), np.float32(88.7))
        n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
        r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = p * r * r + r + np.float32(1.0)
        return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)

    @scalar
    def unit_log(x):
        """Log of a positive normal number, by its mantissa in [unit_sqrt(1/2), unit_sqrt(2)) (Moshier's Cephes)."""
        bits = np.float32(x).view(np.int32)
        e = np.float32((bits >> np.int32(23)) - np.int32(126))
        m = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
        low = m < np.float32(0.707106781186547524)
        e = e - np.float32(1.0) if low else e
        m = m + m - np.float32(1.0) if low else m - np.float32(1.0)
        z = m * m
        y = np.float32(7.0376836292e-2)
        y = y * m - np.float32(1.1514610310e-1)
        y = y * m + np.float32(1.1676998740e-1)
        y = y * m - np.float32(1.2420140846e-1)
        y = y * m + np.float32(1.4249322787e-1)
        y = y * m - np.float32(1.6668057665e-1)
        y = y * m + np.float32(2.0000714765e-1)
        y = y * m - np.float32(2.4999993993e-1)
        y = y * m + np.float32(3.3333331174e-1)
        y = y * m * z - np.float32(2.12194440e-4) * e - np.float32(0.5) * z
        return m + y + np.float32(0.693359375) * e

    @scalar
    def unit_ndtri(u):
        """Quantile of the standard normal, by the inverse error function (Giles 2010, single precision)."""
        u = max(u, np.float32(2.0**-26))
        w = -unit_log(np.float32(4.0) * u * (np.float32(1.0) - u))
        near = w < np.float32(5.0)
        v = w - np.float32(2.5) if near else math.sqrt(w) - np.float32(3.0)
        p = np.float32(2.81022636e-08) if near else np.float32(-0.000200214257)
        p = p * v + (np.float32(3.43273939e-07) if near else np.float32(0.000100950558))
        p = p * v + (np.float32(-3.5233877e-06) if near else np.float32(0.00134934322))
        p = p * v + (np.float32(-4.39150654e-06) if near else np.float32(-0.00367342844))
        p = p * v + (np.float32(0.00021858087) if near else np.float32(0.00573950773))
        p = p * v + (np.float32(-0.00125372503) if near else np.float32(-0.0076224613))
        p = p * v + (np.float32(-0.00417768164) if near else np.float32(0.00943887047))
        p = p * v + (np.float32(0.246640727) if near else np.float32(1.00167406))
        p = p * v + (np.float32(1.50140941) if near else np.float32(2.83297682))
        return np.float32(1.41421356237) * p * (np.float32(2.0) * u - np.float32(1.0))

else:

    @scalar
    def unit_exp(x):
        return math.exp(min(max(x, -746.0), 710.0))

    @scalar
    def unit_log(x):
        return math.log(x)

    @scalar
    def unit_ndtri(u):
        return quantile(u)


@scalar
def unit_sqrt(x):
    return FLOAT(math.sqrt(x))


@scalar
def unit_sigmoid(x):
    return FLOAT(1.0) / (FLOAT(1.0) + unit_exp(-x))


@scalar
def unit_tanh(x):
    t = unit_exp(FLOAT(-2.0) * abs(x))
    size = (FLOAT(1.0) - t) / (FLOAT(1.0) + t)
    return -size if x < FLOAT(0.0) else size


@scalar
def unit_softplus(x):
    t = unit_exp(-abs(x))
    return max(x, FLOAT(0.0)) + (unit_log(FLOAT(1.0) + t) if SINGLE else FLOAT(math.log1p(t)))


@scalar
def unit_step(x):
    return FLOAT(1.0) if x > FLOAT(0.0) else FLOAT(0.0)


@scalar
def unit_floor(x):
    return FLOAT(np.floor(x))


@scalar
def unit_expm1(x):
    return FLOAT(math.expm1(x))


@scalar
def unit_log1p(x):
    return FLOAT(math.log1p(x))


@scalar
def unit_log1mexp(x):
    return FLOAT(math.log(-math.expm1(x)))


@scalar
def unit_clip(x, low, high):
    return min(max(x, low), high)


# --- families without a short formula, in double precision: see the functions of these names in the NumPy runtime

_SERIES = np.array(_MILLS)
exact = njit(error_model="numpy")


@exact
def unit_log_mills(x):
    size = abs(x)
    t = 2.0 * (size - 4.0) / (size + 4.0)
    first, second = 0.0, 0.0
    for k in range(len(_SERIES) - 1, 0, -1):
        first, second = t * first - second + _SERIES[k], first
    ratio = (0.5 * t * first - second + _SERIES[0]) / (1.0 + size)
    half = 0.5 * size * size
    return math.log(ratio) if x >= 0.0 else half + math.log(_ROOT - math.exp(-half) * ratio)


@exact
def unit_hazard(a, d):
    return math.inf if math.isinf(d) else 0.5 * d * (d + 2.0 * a) + unit_log_mills(a) - unit_log_mills(a + d)


@exact
def unit_decay(c):
    q = c * c
    if c < 0.03:
        return 0.5 - c / 12.0 + c * q / 720.0, 1.0 / 12.0 - q / 240.0 + q * q / 6048.0
    return 1.0 / c - 1.0 / math.expm1(c), 1.0 / q - 0.25 / math.sinh(0.5 * min(c, 1400.0)) ** 2


Truncation = namedtuple("Truncation", "sd mean near sign a b d fall kept below inside")


@exact
def truncated(eta1, eta2, low, high):
    """What `Truncated` holds, of one unit."""
    sd, mean = math.sqrt(-0.5 / eta2), -0.5 * eta1 / eta2
    a, b, d = (low - mean) / sd, (high - mean) / sd, (high - low) / sd
    near, sign = low, 1.0
    if a + b < 0.0:
        near, sign, a, b = high, -1.0, -b, -a
    endless = math.isinf(d)
    fall = 0.0 if endless else math.exp(-0.5 * d * (a + b))
    kept = -math.expm1(-unit_hazard(max(a, 0.0), d))
    below = math.exp(-0.5 * a * a + unit_log_mills(-a)) if a < 0.0 else 0.0
    above = 0.0 if endless or a >= 0.0 else math.exp(-0.5 * b * b + unit_log_mills(b))
    return Truncation(sd, mean, near, sign, a, b, d, fall, kept, below, _ROOT - below - above)


@exact
def unit_truncated_normal_log(eta1, eta2, low, high):
    t = truncated(float(eta1), float(eta2), low, high)
    if t.d < 1e-5:
        c = t.a * t.d
        even = math.log(t.d * (1.0 - 0.5 * c if abs(c) < 1e-9 else -math.expm1(-c) / c))
        return FLOAT(math.log(t.sd) + t.near * (eta1 + eta2 * t.near) + even)
    if t.a < 0.0:
        return FLOAT(math.log(t.sd) + 0.5 * t.mean * eta1 + math.log(t.inside))
    return FLOAT(math.log(t.sd) + t.near * (eta1 + eta2 * t.near) + unit_log_mills(t.a) + math.log(t.kept))


@exact
def truncated_moments(eta1, eta2, low, high):
    t = truncated(float(eta1), float(eta2), low, high)
    scale = math.exp(-0.5 * t.a * t.a) / t.inside if t.a < 0.0 else math.exp(-unit_log_mills(t.a)) / t.kept
    z = scale * (1.0 - t.fall)
    variance = 1.0 + scale * (t.a - (0.0 if t.fall == 0.0 else t.b * t.fall)) - z * z
    flat = t.d < 3e-3
    if t.a < 0.0 and not flat:
        return min(max(t.mean + t.sign * t.sd * z, low), high), t.sd * t.sd * max(variance, 0.0)
    step = z - t.a
    if flat or t.a > 700.0:
        centre, spread = unit_decay(abs(t.a) * t.d)
        endless = math.isinf(t.d)
        variance = 1.0 / (t.a * t.a) if endless else t.d * t.d * spread
        if flat or t.a > 1e4:
            step = 1.0 / t.a if endless else t.d * centre
    return min(max(t.near + t.sign * t.sd * step, low), high), t.sd * t.sd * max(variance, 0.0)


@exact
def unit_truncated_normal_mean(eta1, eta2, low, high):
    return FLOAT(truncated_moments(eta1, eta2, low, high)[0])


@exact
def unit_truncated_normal_variance(eta1, eta2, low, high):
    return FLOAT(truncated_moments(eta1, eta2, low, high)[1])


@exact
def unit_truncated_normal_draw(eta1, eta2, low, high, u):
    t = truncated(float(eta1), float(eta2), low, high)
    v = 1.0 - float(u) if t.sign < 0.0 else float(u)
    if t.a < 0.0 and t.d < 3e-3:
        even = t.d * (v - v * (1.0 - v) * (0.5 * t.a * t.d + t.d * t.d * (1.0 + v) / 6.0))
        return FLOAT(min(max(t.near + t.sign * t.sd * even, low), high))
    if t.a < 0.0:
        z = quantile((t.below + v * t.inside) / _ROOT)
        return FLOAT(min(max(t.mean + t.sign * t.sd * z, low), high))
    target = -math.log1p(-min(v * t.kept, 1.0 - 2.0**-53))
    step = min(
        target * math.exp(unit_log_mills(t.a)), 2.0 * target / (t.a + math.sqrt(t.a * t.a + 2.0 * target) + 1e-300)
    )
    for _ in range(5):
        step = max(step - (unit_hazard(t.a, step) - target) * math.exp(unit_log_mills(t.a + step)), 0.0)
    return FLOAT(min(max(t.near + t.sign * t.sd * step, low), high))


@exact
def unit_truncated_exponential_log(eta1, low, high):
    eta, width = float(eta1), high - low
    c = abs(eta) * width
    mass = 1.0 - 0.5 * c if c < 1e-9 else -math.expm1(-c) / c
    return FLOAT(eta * (high if eta > 0.0 else low) + math.log(width) + math.log(mass))


@exact
def unit_truncated_exponential_mean(eta1, low, high):
    move = (high - low) * unit_decay(abs(float(eta1)) * (high - low))[0]
    return FLOAT(high - move if eta1 > 0.0 else low + move)


@exact
def unit_truncated_exponential_variance(eta1, low, high):
    return FLOAT((high - low) ** 2 * unit_decay(abs(float(eta1)) * (high - low))[1])


@exact
def unit_truncated_exponential_draw(eta1, low, high, u):
    width = high - low
    c = abs(float(eta1)) * width
    v = 1.0 - float(u) if eta1 > 0.0 else float(u)
    move = width * (v if c < 1e-9 else -math.log1p(v * math.expm1(-c)) / c)
    return FLOAT(min(max(high - move if eta1 > 0.0 else low + move, low), high))


@scalar
def unit_poisson_rate(eta1):
    return unit_exp(min(eta1, FLOAT(88.0 if SINGLE else 700.0)))


@exact
def unit_poisson_peak(k, rate):
    if k < 10.0:
        value = math.exp(-rate)
        for j in range(1, int(k) + 1):
            value *= rate / j
        return value
    x, m = rate / k - 1.0, 1.0 / k
    series = m / 12.0 - m**3 / 360.0 + m**5 / 1260.0 - m**7 / 1680.0
    return math.exp(k * (math.log1p(x) - x) - series) * math.sqrt(m) / _ROOT


@exact
def unit_poisson_draw(eta1, u):
    rate, v = math.exp(min(float(eta1), 88.0 if SINGLE else 700.0)), float(u)
    if rate >= 1e8:
        return FLOAT(np.floor(rate + math.sqrt(rate) * quantile(v) + 0.5))
    k = np.floor(rate)
    peak = unit_poisson_peak(k, rate)
    below, weight, place = 0.0, peak, k
    while place > 0.0 and weight > 1e-18:
        weight *= place / rate
        place -= 1.0
        below += weight
    if v < below:
        weight = peak * k / rate
        k -= 1.0
        bound = below - weight
        while v < bound and k > 0.0:
            weight *= k / rate
            k -= 1.0
            bound -= weight
        return FLOAT(k)
    bound, weight = below + peak, peak
    while v >= bound and weight > 1e-18:
        k += 1.0
        weight *= rate / k
        bound += weight
    return FLOAT(k)


@njit(fastmath=FAST, error_model="numpy")
def unit_softmax(eta, at, states, out):
    """unit_exp(eta_k) / sum_k unit_exp(eta_k) of the states at `at`."""
    top = eta[at]
    for k in range(1, states):
        top = max(top, eta[at + k])
    total = FLOAT(0.0)
    for k in range(states):
        out[at + k] = unit_exp(eta[at + k] - top)
        total += out[at + k]
    for k in range(states):
        out[at + k] /= total


@njit(fastmath=FAST, error_model="numpy")
def unit_weight(eta, at, states):
    """The largest eta of the states at `at`, and the sum of exp(eta_k - largest)."""
    top = eta[at]
    for k in range(1, states):
        top = max(top, eta[at + k])
    total = FLOAT(0.0)
    for k in range(states):
        total += unit_exp(eta[at + k] - top)
    return top, total


@njit(fastmath=FAST, error_model="numpy")
def unit_logsumexp(eta, at, states):
    top, total = unit_weight(eta, at, states)
    return top + unit_log(total)


@njit(fastmath=FAST, error_model="numpy")
def unit_choose(eta, at, states, u, out):
    """One-hot draw of the states at `at`: the first whose cumulated weight exceeds u times the whole."""
    unit_softmax(eta, at, states, out)
    total, chosen = FLOAT(0.0), states - 1
    for k in range(states - 1):
        total += out[at + k]
        if total > u:
            chosen = k
            break
    for k in range(states):
        out[at + k] = FLOAT(0.0)
    out[at + chosen] = FLOAT(1.0)


@njit(fastmath=FAST, error_model="numpy")
def unit_pick(eta, at, states, u):
    """The number of the first state whose cumulated weight exceeds u times the whole."""
    top, whole = unit_weight(eta, at, states)
    total = FLOAT(0.0)
    for k in range(states - 1):
        total += unit_exp(eta[at + k] - top)
        if total > u * whole:
            return k
    return states - 1


@njit(fastmath=FAST, error_model="numpy")
def unit_mean(eta, at, states, low):
    """Mean of the value low + k of the state k."""
    top, whole = unit_weight(eta, at, states)
    total = FLOAT(0.0)
    for k in range(states):
        total += FLOAT(k) * unit_exp(eta[at + k] - top)
    return FLOAT(low) + total / whole


# --- random numbers: the same stream as in NumPy


@scalar
def philox4(a, b, c, d, k0, k1):
    """Four words of Philox4x32-10, as 64-bit numbers: so the loop round it becomes vector code."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a = (right >> half) ^ b ^ k0
        b = right & low
        c = (left >> half) ^ d ^ k1
        d = left & low
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    return a, b, c, d


if SINGLE:

    @scalar
    def as_uniforms(a, b, c, d, words, i):
        words[0, i] = np.float32(np.int32(a >> np.uint64(8))) * np.float32(2.0**-24)
        words[1, i] = np.float32(np.int32(b >> np.uint64(8))) * np.float32(2.0**-24)
        words[2, i] = np.float32(np.int32(c >> np.uint64(8))) * np.float32(2.0**-24)
        words[3, i] = np.float32(np.int32(d >> np.uint64(8))) * np.float32(2.0**-24)

else:

    @scalar
    def as_uniforms(a, b, c, d, words, i):
        words[0, i] = float(np.int64(a >> np.uint64(5))) * 2.0**-27 + float(np.int64(b >> np.uint64(6))) * 2.0**-53
        words[1, i] = float(np.int64(c >> np.uint64(5))) * 2.0**-27 + float(np.int64(d >> np.uint64(6))) * 2.0**-53


@scalar
def padded(count):
    """A length that leaves vector code no remainder."""
    return (count + 31) // 32 * 32


@njit(fastmath=FAST, error_model="numpy")
def uniforms(u, words, count, chain, block, sweep, k0, k1):
    """The numbers of all units of a chain, to u; count: ceil(units / WORDS); words: (WORDS, padded(count)), scratch."""
    b, c, d = np.uint64(chain), np.uint64(block), np.uint64(sweep)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for i in range(words.shape[1]):
        w0, w1, w2, w3 = philox4(np.uint64(i), b, c, d, k0, k1)
        as_uniforms(w0, w1, w2, w3, words, i)
    for w in range(WORDS):
        for i in range(count):
            u[w * count + i] = words[w, i]


_NONE = np.zeros((0, 0), FLOAT)
_NO_PRODUCT = (0, 0, 0, False, 0, 0, False, 0)


def flat(value, shape):
    """An array as (chains, entries), or (1, entries) where it does not vary with the chains."""
    array = np.asarray(value, FLOAT)
    if array.shape == shape[1:] and array.flags.c_contiguous:
        return array.reshape(1, -1)
    if array.ndim == len(shape):
        return np.ascontiguousarray(array.reshape(len(array), -1))
    return np.ascontiguousarray(np.broadcast_to(array, shape[1:])).reshape(1, -1)


def draw(
    family, eta1, eta2, random, out, states=1, means=(None, None), product=None, scale=1.0, base=None, bounds=(0.0, 0.0)
):
    """Draw units of a family with one kernel call, their moments beside them where they are wanted.

    The first natural parameter is scale * eta1 + base, after the product of two matrices has been written into eta1
    (or, where `product` says so in its third place, added to it).
    """
    rows = len(out)
    target = out.reshape(rows, -1)
    shape = (*out.shape, states) if family in TABLES else out.shape
    first = eta1.reshape(rows, -1) if product is not None else flat(eta1, shape)
    parts = pieces(target.size)
    gemm_arguments = _NO_PRODUCT
    if product is not None:
        a, b, add = product
        sides = layout(a), layout(b)
        if parts > 1 and BLAS.address and None not in sides and rows >= 16 * parts and a.dtype == b.dtype == FLOAT:
            (lda, trans_a), (ldb, trans_b) = sides
            gemm_arguments = (BLAS.address, a.ctypes.data, lda, trans_a, b.ctypes.data, ldb, trans_b, a.shape[1])
        else:
            matmul(a, b, out=first, add=add)
            add = False
    key = getattr(random, "key", None)
    if key is None:
        given = random(np.empty(out.shape[:-1] if states > 1 and shape == out.shape else out.shape, FLOAT)).reshape(
            rows, -1
        )
        k0, k1, block, sweep, chain = 0, 0, 0, 0, 0
    else:
        given, k0, k1, block, sweep, chain = _NONE, *key, random.block, random.sweep, random.chain
        random.block += 1
    mean, square = means
    DRAWS[family](
        first,
        _NONE if eta2 is None else flat(eta2, shape),
        _NONE if base is None else flat(base, shape),
        float(scale),
        given,
        k0, k1, block, sweep, chain,
        states,
        *map(float, bounds),
        target,
        _NONE if mean is None else mean.reshape(rows, -1),
        _NONE if square is None else square.reshape(rows, -1),
        parts,
        *gemm_arguments,
        0.0 if product is None else float(product[2]),
    )  # fmt: skip
    return out


def log_partition_difference(family, etas, before, after, shape, bounds=(0.0, 0.0)):
    """The sum over units of A(after) - A(before), shape (chains,): A at natural parameters moved two ways."""
    whole = etas[0].shape
    fields = [flat(eta, whole) for eta in etas] + [_NONE] * (2 - len(etas))
    ends = []
    for scale, offsets in (before, after):
        ends += [flat(offset, whole) for offset in offsets] + [_NONE] * (2 - len(etas))
        ends.append(FLOAT(scale))
    states = fields[0].shape[1] // max(1, math.prod(shape))
    out = np.empty(len(etas[0]), FLOAT)
    GAINS[family](*fields, *ends, states, *map(float, bounds), out, pieces(fields[0].size))
    return out.astype(np.float64)


# --- models with few neighbours a unit: chains innermost

LANES = 2048


@njit(fastmath=FAST, error_model="numpy")
def lane_uniforms(words, units, chains, q, chain, block, sweep, k0, k1):
    """Numbers of the units q + units[m], and those a quarter on, of the chains chain + chains[m]."""
    q, b, c, d = np.uint64(q), np.uint64(chain), np.uint64(block), np.uint64(sweep)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for m in range(len(units)):
        w0, w1, w2, w3 = philox4(q + units[m], b + chains[m], c, d, k0, k1)
        as_uniforms(w0, w1, w2, w3, words, m)


WIDTH = 16 if SINGLE else 8


@intrinsic
def gather(context, eta, at, base, x, shift, source, value, start, stop):
    """eta[at : at + WIDTH] = base + sum over entries e in [start, stop) of value[e] * x[source[e] + shift : ... + WIDTH].

    Written in vectors, for the compiler does not find them in so short a loop.
    """
    whole = types.intp
    signature = types.void(eta, whole, base, x, whole, source, value, whole, whole)

    def code(context, builder, signature, arguments):
        kinds = signature.args
        eta, x, source, value = (
            context.make_array(kinds[q])(context, builder, arguments[q]).data for q in (0, 3, 5, 6)
        )
        size = context.get_abi_sizeof(context.get_value_type(kinds[2]))
        vector = ir.VectorType(context.get_value_type(kinds[2]), WIDTH)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        nothing = ir.Constant(vector, ir.Undefined)

        def splat(number):
            return builder.shuffle_vector(builder.insert_element(nothing, number, ir.IntType(32)(0)), nothing, zeros)

        def lanes(data, at):
            return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())

        total = cgutils.alloca_once_value(builder, splat(arguments[2]))
        one = ir.Constant(arguments[7].type, 1)
        with cgutils.for_range_slice(builder, arguments[7], arguments[8], one) as (e, _):
            at = builder.zext(builder.load(builder.gep(source, [e])), arguments[4].type)
            read = builder.load(lanes(x, builder.add(at, arguments[4])), align=size)
            part = builder.fmul(splat(builder.load(builder.gep(value, [e]))), read, flags=["contract"])
            builder.store(builder.fadd(builder.load(total), part, flags=["contract"]), total)
        builder.store(builder.load(total), lanes(eta, arguments[1]), align=size)
        return context.get_dummy_value()

    return signature, code


@njit(fastmath=FAST, error_model="numpy")
def lane_run(eta, x, at, length, b, source, value, start, stop):
    """eta[at : at + length] of a run: its entries, moved on by one place after the other. Places are unsigned on purpose:

    negative ones would have to be wrapped, and the loops not be vector code.
    """
    o, e = np.uint32(at), start
    if stop - e >= 4:
        j0, j1, j2, j3 = source[e], source[e + 1], source[e + 2], source[e + 3]
        v0, v1, v2, v3 = value[e], value[e + 1], value[e + 2], value[e + 3]
        for k in range(length):
            eta[o + k] = b + v0 * x[j0 + k] + v1 * x[j1 + k] + v2 * x[j2 + k] + v3 * x[j3 + k]
        e += 4
    else:
        for k in range(length):
            eta[o + k] = b
    while stop - e >= 2:
        j0, j1, v0, v1 = source[e], source[e + 1], value[e], value[e + 1]
        for k in range(length):
            eta[o + k] += v0 * x[j0 + k] + v1 * x[j1 + k]
        e += 2
    if e < stop:
        j0, v0 = source[e], value[e]
        for k in range(length):
            eta[o + k] += v0 * x[j0 + k]


@njit(fastmath=FAST, error_model="numpy")
def lane_fields(eta, x, first, count, lanes, base, rows, source, value, until):
    """eta of the slots first ... first + count - 1 of some chains; x: (slots * lanes); source: slot * lanes.

    until: where the run of each slot ends, or nothing where runs are not to be used.
    """
    m = 0
    while m < count:
        slot = first + m
        start, stop, b = rows[slot], rows[slot + 1], base[slot]
        run = min(count - m, until[slot] - slot) if len(until) > 0 else 1
        if run > 1:
            lane_run(eta, x, m * lanes, run * lanes, b, source, value, start, stop)
        elif lanes % WIDTH == 0:
            for k in range(0, lanes, WIDTH):
                gather(eta, m * lanes + k, b, x, k, source, value, start, stop)
        else:
            for k in range(lanes):
                total = b
                for e in range(start, stop):
                    total += value[e] * x[source[e] + k]
                eta[m * lanes + k] = total
        m += run


@njit(fastmath=FAST, error_model="numpy")
def lane_choose(eta, u, count, states, lanes, x):
    """One-hot draws for `count` units, states before chains."""
    for m in range(count):
        for k in range(lanes):
            at = m * states * lanes + k
            top = eta[at]
            for s in range(1, states):
                top = max(top, eta[at + s * lanes])
            total = FLOAT(0.0)
            for s in range(states):
                eta[at + s * lanes] = unit_exp(eta[at + s * lanes] - top)
                total += eta[at + s * lanes]
            bound, chosen = total * u[m * lanes + k], states - 1
            total = FLOAT(0.0)
            for s in range(states - 1):
                total += eta[at + s * lanes]
                if total > bound:
                    chosen = s
                    break
            for s in range(states):
                x[at + s * lanes] = FLOAT(0.0)
            x[at + chosen * lanes] = FLOAT(1.0)


@njit(error_model="numpy")
def lane_part(
    x,
    kind,
    first,
    count,
    states,
    scan,
    lanes,
    chain,
    block,
    sweep,
    k0,
    k1,
    base,
    second,
    rows,
    source,
    value,
    until,
    u,
    words,
    eta,
    g,
    units,
    chains,
):
    """Draw one part of a sweep for some chains."""
    quarter = (count + WORDS - 1) // WORDS
    step = max(1, LANES // lanes)
    for q in range(0, quarter, step):
        few = min(step, quarter - q)
        lane_uniforms(words, units, chains, q, chain, block, sweep, k0, k1)
        for w in range(WORDS):
            unit = q + w * quarter
            n = min(few, count - unit)
            if n <= 0:
                continue
            if scan:
                u[unit * lanes : (unit + n) * lanes] = words[w, : n * lanes]
                continue
            slot = first + unit * states
            lane_fields(eta, x, slot, n * states, lanes, base, rows, source, value, until)
            lane_draw(
                kind, eta, second, g, slot, words[w], n, states, lanes, x[slot * lanes : (slot + n * states) * lanes]
            )
    if scan:
        for unit in range(count):
            slot = first + unit * states
            lane_fields(eta, x, slot, states, lanes, base, rows, source, value, until)
            lane_draw(
                kind, eta, second, g, slot, u[unit * lanes : (unit + 1) * lanes], 1, states, lanes,
                x[slot * lanes : (slot + states) * lanes],
            )  # fmt: skip


@parallel(error_model="numpy")
def sparse_sweeps(x, parts, lanes, k0, k1, chain, sweep, steps, base, second, rows, source, value, until):
    """Sweeps over parts (kind, first slot, units, states, scanned?, block) for pieces of `lanes` chains: x[piece]."""
    longest = 1
    for p in range(len(parts)):
        if parts[p, 4] != 0:
            longest = max(longest, parts[p, 2])
    for piece in prange(len(x)):
        u = np.empty(longest * lanes, FLOAT)
        size = max(1, LANES // lanes) * lanes
        place = np.arange(size)
        units, chains = (place // lanes).astype(np.uint64), (place % lanes).astype(np.uint64)
        words = np.empty((WORDS, size), FLOAT)
        most = size * parts[:, 3].max()
        eta, g = np.empty(most, FLOAT), np.empty(most, FLOAT)
        for s in range(steps):
            for p in range(len(parts)):
                kind, first, count, states, scan, block = parts[p]
                lane_part(
                    x[piece], kind, first, count, states, scan != 0, lanes, chain + piece * lanes, block,
                    (sweep + s) & 0xFFFFFFFF, k0, k1, base, second, rows, source, value, until, u, words, eta, g, units, chains,
                )  # fmt: skip


@parallel()
def into_lanes(x, state, slots, lanes):
    """State (chains, entries) of a layer into x (pieces, slots * lanes), chains innermost."""
    for piece in prange(len(x)):
        top = min(lanes, len(state) - piece * lanes)
        for left in range(0, state.shape[1], 64):
            for k in range(top):
                for e in range(left, min(left + 64, state.shape[1])):
                    x[piece, slots[e] * lanes + k] = state[piece * lanes + k, e]


@parallel()
def out_of_lanes(x, state, slots, lanes):
    """The other way round."""
    for piece in prange(len(x)):
        top = min(lanes, len(state) - piece * lanes)
        for left in range(0, state.shape[1], 64):
            for k in range(top):
                for e in range(left, min(left + 64, state.shape[1])):
                    state[piece * lanes + k, e] = x[piece, slots[e] * lanes + k]


# --- densities without a closed form: panels, as in the NumPy runtime, but one unit at a time, none of them stored

_LOG, _MEAN, _VARIANCE, _ENTROPY, _MODE, _DRAW = range(6)
_WHAT = ("log", "mean", "variance", "entropy", "mode", "draw")


@exact
def unit_shape(function, y):
    if function == 1:
        return abs(y)
    if function == 2:
        return math.tanh(y)
    if function == 3:
        return 0.5 * (1.0 + math.tanh(0.5 * y))
    if function == 4:
        return max(y, 0.0) + math.log1p(math.exp(-abs(y)))
    if function == 5:
        return math.sin(y)
    if function == 6:
        return math.cos(y)
    if function == 7:
        return math.exp(y)
    return math.exp(min(y, _HIGH)) if function >= _BUMP else y


@exact
def unit_exponent(eta, rows, x):
    """sum_k eta_k T_k(x)."""
    total, product = 0.0, 1.0
    for r in range(len(rows)):
        y = 0.0
        for d in range(rows.shape[1] - 1, 2, -1):
            y = y * x + rows[r, d]
        y = unit_shape(int(rows[r, 1]), y)
        for _ in range(int(rows[r, 2])):
            product *= y
        if r + 1 == len(rows) or rows[r + 1, 0] != rows[r, 0]:
            total += eta[int(rows[r, 0])] * product
            product = 1.0
    return total


@exact
def unit_reach(eta, rows, growth, holds):
    """Where a power that holds the mass, and walls before it, have left every other term `_DEEP` below the value at 0."""
    start = _DEEP
    for k in range(len(growth)):
        start += 2.0 * growth[k, 0] * abs(eta[k])
    high, most = math.inf, math.inf
    for k in range(len(holds)):
        power = int(holds[k, 0])
        firm, reach, above = -eta[k] * holds[k, 1], 0.0, 0.0
        for d in range(growth.shape[1] - 1, -1, -1):
            size = 0.0
            for j in range(len(growth)):
                if j != k and not (holds[j, 0] > 0.0 and eta[j] <= 0.0):
                    size += growth[j, d] * abs(eta[j])
            if d > power and size > 0.0:
                firm = 0.0
            elif d == power:
                firm -= size
            elif d < power and firm > 0.0:
                size = start if d == 0 else size
                root = (power * size / firm) ** (1.0 / (power - d))
                reach, above = max(reach, root), above + size * root**d
        if power > 0 and firm > 0.0 and reach < high:
            high, most = reach, above
    low = -high
    for r in range(len(rows)):
        if rows[r, 1] == _WALL:
            height = 0.0 - eta[int(rows[r, 0])]
            if not height >= 0.0:
                return math.nan, math.nan
            edge = (math.log(most / height) - rows[r, 3]) / rows[r, 4]
            low, high = (low, min(high, edge)) if rows[r, 4] > 0.0 else (max(low, edge), high)
    return low, high


@exact
def unit_bound(eta, rows, bend, taylor, left, right):
    """Bounds of the second derivative of the exponent, and of how fast arguments of functions change (the last row)."""
    found, rate, size = 0.0, 0.0, max(abs(left), abs(right))
    centre, reach = 0.5 * (left + right), 1.0
    for d in range(len(taylor)):
        value = 0.0
        for j in range(len(taylor) - d - 1, -1, -1):
            value = value * centre + taylor[d, j]
        found += abs(value) * reach
        reach *= 0.5 * (right - left)
    bent = 0.0
    for d in range(bend.shape[1] - 1, -1, -1):
        c = 0.0
        for k in range(len(bend) - 1):
            c += bend[k, d] * abs(eta[k])
        bent, rate = bent * size + c, rate * size + bend[-1, d]
    found += bent
    for r in range(len(rows)):
        if rows[r, 1] >= _BUMP:
            a, b, slope, curved = 0.0, 0.0, 0.0, 0.0
            for d in range(rows.shape[1] - 1, 2, -1):
                k, c = d - 3, abs(rows[r, d])
                a, b = a * left + rows[r, d], b * right + rows[r, d]
                slope = slope * size + k * c if k > 0 else slope
                curved = curved * size + k * (k - 1) * c if k > 1 else curved
            height = abs(eta[int(rows[r, 0])]) * math.exp(min(max(a, b) + curved * (right - left) ** 2 / 8.0, _HIGH))
            if height > 0.0:
                found += height * (slope * slope + curved)
            rate = max(rate, slope) if height > _LOW else rate
    return found, rate


@exact
def unit_cut(left, right, wild):
    """Where to cut a panel in two: in the middle, or much nearer to 0."""
    size, small = max(abs(left), abs(right)), min(abs(left), abs(right))
    if wild and 4.0 * small < size:
        return math.copysign(max(math.sqrt(small * size), _NEARER * size), left + right)
    return 0.5 * (left + right)


@exact
def next_panel(stack, depth, left_over, eta, rows, bend, taylor, top, at, width, searching):
    """Panels off a stack, from left to right, cut until they can be integrated; searching: all, for the greatest exponent.

    Returns the depth, how many more may be looked at, the panel (empty at the end), the greatest exponent so far, where
    it is, how wide its panel, and how much the exponent rises on a panel whose mass is at its edge (0 on others).
    """
    while depth > 0 and left_over > 0:
        depth, left_over = depth - 1, left_over - 1
        left, right, a, b = stack[depth]
        h = right - left
        above, rate = unit_bound(eta, rows, bend, taylor, left, right)
        above = above * h * h / 8.0
        if searching and max(a, b) >= top:
            top, at, width = max(a, b), left if a >= b else right, h
        if not max(a, b) + above >= top - _DEEP:
            continue
        rough = _ROUGH * max(abs(a), abs(b))
        steep = above > max(_CURVED, rough) or abs(b - a) > max(_STEEP, rough) or rate * h > _FAST
        if steep and h > _NARROW * max(abs(left), abs(right)):
            if depth + 2 > len(stack):
                left_over = 0
                break
            centre = unit_cut(left, right, above > _WILD * _CURVED or abs(b - a) > _WILD * _STEEP)
            middle = unit_exponent(eta, rows, centre)
            stack[depth] = (centre, right, middle, b)
            stack[depth + 1] = (left, centre, a, middle)
            depth += 2
        elif not searching:
            rise = max(abs(b - a), 1.0) if steep else 0.0
            rise = rise if b > a else -rise
            return depth, left_over, left, right, top, at, width, rise
    return depth, left_over, 0.0, 0.0, top, at, width, 0.0


@exact
def unit_start(stack, ends, reach, eta, rows):
    depth = 0
    for s in range(len(ends) - 2, -1, -1):
        low, high = min(max(ends[s], reach[0]), reach[1]), min(max(ends[s + 1], reach[0]), reach[1])
        stack[depth] = (low, high, unit_exponent(eta, rows, low), unit_exponent(eta, rows, high))
        depth += 1
    return depth


@exact
def unit_mass(eta, rows, left, right, top, rise):
    half, total = 0.5 * (right - left), 0.0
    if rise != 0.0:
        return math.exp(unit_exponent(eta, rows, right if rise > 0.0 else left) - top) * (right - left) / abs(rise)
    for n in range(8):
        f = unit_exponent(eta, rows, left + half * (1.0 + _RULE[n, 0])) - top
        total += _RULE[n, 1] * math.exp(min(f, _CURVED))
    return half * total


@exact
def unit_mode(eta, rows, bend, taylor, ends, reach, stack, left_over, top, at, width):
    """The best place of a grid over all panels, and on ever finer grids the best near it."""
    depth, best = unit_start(stack, ends, reach, eta, rows), -math.inf
    while True:
        depth, left_over, left, right, _, _, _, _ = next_panel(
            stack, depth, left_over, eta, rows, bend, taylor, top, at, width, False
        )
        if right <= left:
            break
        for n in range(_GRID + 1):
            f = unit_exponent(eta, rows, left + (right - left) * n / _GRID)
            if f > best:
                at, best, width = left + (right - left) * n / _GRID, f, (right - left) / _GRID
    for _ in range(_FINER):
        centre, top = at, -math.inf
        for n in range(2 * _GRID + 1):
            x = min(max(centre + width * (n / _GRID - 1.0), ends[0]), ends[-1])
            f = unit_exponent(eta, rows, x)
            if f > top:
                at, top = x, f
        width /= _GRID
    return at


@exact
def unit_draw(eta, rows, bend, taylor, ends, reach, stack, left_over, top, target):
    """The place below which `target` of the mass lies: its panel by the masses, in it by Newton's method between bounds."""
    depth, left, right, here, last = unit_start(stack, ends, reach, eta, rows), 0.0, 0.0, 0.0, 0.0
    while True:
        depth, left_over, a, b, _, _, _, rise = next_panel(
            stack, depth, left_over, eta, rows, bend, taylor, top, 0.0, 0.0, False
        )
        if b <= a:
            target = here
            break
        left, right, last, here = a, b, rise, unit_mass(eta, rows, a, b, top, rise)
        if target < here:
            break
        target -= here
    if last != 0.0:
        return right if last > 0.0 else left
    a, b, x = left, right, left + (right - left) * target / here
    for _ in range(_NEWTON):
        excess = unit_mass(eta, rows, left, x, top, 0.0) - target
        if excess < 0.0:
            a = x
        else:
            b = x
        x -= excess / math.exp(unit_exponent(eta, rows, x) - top)
        if not a <= x <= b:
            x = 0.5 * (a + b)
    return x


@exact
def unit_moments(eta, rows, bend, taylor, ends, reach, stack, left_over, top, at):
    """Mass, first and second moment about `at`, and the mean fall of the exponent below `top`; all weighed by the mass."""
    depth, mass, first, second, fall = unit_start(stack, ends, reach, eta, rows), 0.0, 0.0, 0.0, 0.0
    while True:
        depth, left_over, left, right, _, _, _, rise = next_panel(
            stack, depth, left_over, eta, rows, bend, taylor, top, at, 0.0, False
        )
        if right <= left:
            return mass if left_over > 0 else math.nan, first, second, fall
        if rise != 0.0:
            x, w = right if rise > 0.0 else left, unit_mass(eta, rows, left, right, top, rise)
            mass, first, second = mass + w, first + w * (x - at), second + w * (x - at) * (x - at)
            fall += w * (unit_exponent(eta, rows, x) - top - 1.0) if w > 0.0 else 0.0
            continue
        half = 0.5 * (right - left)
        for n in range(8):
            x = left + half * (1.0 + _RULE[n, 0])
            f = min(unit_exponent(eta, rows, x) - top, _CURVED)
            w = half * _RULE[n, 1] * math.exp(f)
            mass, first, second = mass + w, first + w * (x - at), second + w * (x - at) * (x - at)
            fall += w * f if w > 0.0 else 0.0


@exact
def unit_integrated(what, eta, u, rows, growth, bend, tables, taylor, holds, ends, stack):
    reach = unit_reach(eta, rows, growth, holds) if holds.any() else (-math.inf, math.inf)
    largest = max(abs(max(ends[0], reach[0])), abs(min(ends[-1], reach[1])))
    if not math.isfinite(largest):
        return math.nan
    for d in range(len(tables)):
        for j in range(len(tables) - d):
            taylor[d, j] = 0.0
            for k in range(len(eta)):
                taylor[d, j] += tables[d, k, j] * eta[k]
    depth, left_over = unit_start(stack, ends, reach, eta, rows), 10 * _MOST
    depth, left_over, _, _, top, at, width, _ = next_panel(
        stack, depth, left_over, eta, rows, bend, taylor, -math.inf, 0.0, 0.0, True
    )
    if not (left_over > 0 and math.isfinite(top)):
        return math.nan
    if what == _MODE:
        return unit_mode(eta, rows, bend, taylor, ends, reach, stack, left_over, top, at, width)
    mass, first, second, fall = unit_moments(eta, rows, bend, taylor, ends, reach, stack, left_over, top, at)
    if not mass > 0.0:
        return math.nan
    if what == _DRAW:
        return unit_draw(eta, rows, bend, taylor, ends, reach, stack, left_over, top, u * mass)
    if what == _LOG:
        return top + math.log(mass)
    if what == _MEAN:
        return at + first / mass
    if what == _VARIANCE:
        return second / mass - (first / mass) * (first / mass)
    return math.log(mass) - fall / mass


@parallel(error_model="numpy")
def integrate_units(what, eta, u, rows, growth, bend, tables, holds, ends, out, parts):
    for n in prange(parts):
        taylor = np.empty((len(tables), len(tables)))
        stack = np.empty((len(ends) + _STACK, 4))
        for j in range(len(out) * n // parts, len(out) * (n + 1) // parts):
            out[j] = unit_integrated(what, eta[j], u[j], rows, growth, bend, tables, taylor, holds, ends, stack)


def integrated(what, density, etas, u=0.0):
    """log of the integral, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined."""
    shape = np.broadcast_shapes(*map(np.shape, (*etas, u)))
    eta, uniform, out = np.empty((*shape, len(etas))), np.empty(shape), np.empty(shape)
    for k in range(len(etas)):
        eta[..., k] = etas[k]
    uniform[...] = u
    integrate_units(
        _WHAT.index(what), eta.reshape(-1, len(etas)), uniform.reshape(-1), density.rows, density.growth, density.bend, density.taylor,
        density.holds, density.ends, out.reshape(-1), pieces(1000 * out.size),
    )  # fmt: skip
    return out
