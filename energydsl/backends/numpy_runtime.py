"""What generated NumPy kernels stand on. Copied into every standalone module; needs only NumPy.

"""

import base64
import contextlib
import math
import zlib
from types import SimpleNamespace

import numpy as np

xp = np


class Workspace:
    """Arrays by name, made once and used again as long as shape and precision stay the same."""

    def __init__(self, dtype=np.float32):
        self.dtype = np.dtype(dtype)
        self.arrays = {}

    def __call__(self, name, shape):
        """The array of that name, contents undefined."""
        array = self.arrays.get(name)
        if array is None or array.shape != shape:
            array = self.arrays[name] = np.empty(shape, self.dtype)
        return array


class Stream:
    """Uniform numbers by Philox4x32-10 (Salmon et al. 2011), keyed by (seed, sweep, block, unit, chain).

    Word w of counter (q, chain, block, sweep) belongs to unit w Q + q of the n units drawn, Q = ceil(n / 4); in float64
    two words make one number and Q = ceil(n / 2). So a chain is the same whichever chains run beside it.
    """

    def __init__(self, seed=0, chain=0):
        self.key = [int(k) for k in np.random.SeedSequence(seed).generate_state(2)]
        self.sweep, self.block, self.chain = 0, 0, chain
        self.memory = np.empty(0, np.uint64)

    def next(self):
        """Go on to the next sweep."""
        self.sweep, self.block = (self.sweep + 1) & 0xFFFFFFFF, 0

    def __call__(self, out):
        """Fill `out`, chains first, and go on to the next block."""
        flat = out.reshape(len(out), -1)
        wide = out.dtype == np.float64
        words = 2 if wide else 4
        count = -(-flat.shape[1] // words)
        step = max(1, 4096 // max(1, count))
        size = 6 * step * count
        if len(self.memory) < size:
            self.memory = np.empty(size, np.uint64)
        memory = self.memory[:size].reshape(6, step, count)
        for start in range(0, len(flat), step):
            part = flat[start : start + step]
            counter, spare = memory[:4, : len(part)], memory[4:, : len(part)]
            counter[0] = np.arange(count)
            counter[1] = np.arange(self.chain + start, self.chain + start + len(part))[:, None]
            counter[2], counter[3] = self.block, self.sweep
            philox(counter, self.key, spare)
            if wide:
                counter >>= np.array([5, 6, 5, 6], np.uint64)[:, None, None]
            else:
                counter >>= np.uint64(8)
            for w in range(words):
                column = part[:, w * count : (w + 1) * count]
                if wide:
                    np.multiply(counter[2 * w, :, : column.shape[1]], 2.0**-27, out=column)
                    column += counter[2 * w + 1, :, : column.shape[1]] * 2.0**-53
                else:
                    np.multiply(counter[w, :, : column.shape[1]], 2.0**-24, out=column, casting="unsafe")
        self.block += 1
        return out


def philox(counter, key, spare):
    """Turn four counter words into four random words, in place: uint64 arrays of 32-bit values, under two key words."""
    a, b, c, d = counter
    left, right = spare
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    k0, k1 = key
    for _ in range(10):
        np.multiply(a, np.uint64(0xD2511F53), out=left)
        np.multiply(c, np.uint64(0xCD9E8D57), out=right)
        np.right_shift(right, half, out=a)
        a ^= b
        a ^= np.uint64(k0)
        np.right_shift(left, half, out=c)
        c ^= d
        c ^= np.uint64(k1)
        np.bitwise_and(right, low, out=b)
        np.bitwise_and(left, low, out=d)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF


def matmul(a, b, out=None, add=False, row=None):
    """The product of two matrices, into `out` (added to it); row: weights of the axis that is summed over."""
    if row is not None:
        b = b * (row if b.ndim == 1 else row[:, None])
    if add:
        out += np.matmul(a, b)
        return out
    return np.matmul(a, b, out=out)


def moved(etas, at):
    """scale * eta + offset for each natural parameter; at: (scale, offsets)."""
    scale, offsets = at
    return [scale * eta + offset for eta, offset in zip(etas, offsets)]


def gain(log_partition, etas, before, after, shape):
    """The sum over units of A(after) - A(before), shape (chains,): A at natural parameters moved two ways."""
    change = log_partition(*moved(etas, after)) - log_partition(*moved(etas, before))
    chains = len(etas[0])
    return np.broadcast_to(change, (chains, *shape)).reshape(chains, -1).sum(axis=1, dtype=np.float64)


def axpy(value, direction, factor):
    """value += factor * direction, in place; the sums of squares of the direction and of the new value."""
    np.add(value, value.dtype.type(factor) * direction, out=value)
    return square_sum(direction), square_sum(value)


def square_sum(array):
    """The sum of squares of all entries."""
    flat = np.reshape(array, -1)
    return float(flat @ flat)


tensordot = np.tensordot
einsum = np.einsum
held = contextlib.nullcontext


def quiet():
    """No warnings where exp leaves the range of numbers."""
    return np.errstate(over="ignore", under="ignore")


def host(array):
    """A NumPy array of the values."""
    return np.asarray(array)


def load(target, values):
    """Copy values into an array."""
    target[...] = values


def repeated(function, random, work):
    """A function that is called again and again with the same arrays; nothing can be gained from that here."""
    return function


def fill(random, out):
    """Fill an array with uniform numbers, chains first."""
    return random(out)


def at_units(eta, units, shape, states=()):
    """A field at some units of a layer: (chains, units, *states), or without chains where it does not vary with them."""
    eta = np.asarray(eta)
    chains = eta.shape[:1] if eta.ndim > len(shape) + len(states) else ()
    whole = np.broadcast_to(eta, (*chains, *shape, *states))
    return np.take(whole.reshape(*chains, -1, *states), units, axis=len(chains))


def settings_of(labels, defaults, beta, weights, consts, external):
    """Run-time scalars: beta, weights of energy terms, constants, and external fields added to the natural parameters."""
    return SimpleNamespace(
        beta=beta,
        weights=dict.fromkeys(labels, 1.0) | (weights or {}),
        consts=defaults | (consts or {}),
        external=external or {},
    )


def rows(x):
    """The number of chains of a state."""
    return len(next(iter(x.values())))


def square(x, name):
    """Second moments of a layer: those in the state if it holds means, else the squares of its values."""
    moments = x.get(name + "^2")
    return x[name] ** 2 if moments is None else moments


def axis(low, high, position, rank):
    """low, ..., high - 1 along one of `rank` axes."""
    return np.arange(low, high).reshape([-1 if k == position else 1 for k in range(rank)])


def unpack(text, shape):
    """Whole numbers from their packed text."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4").reshape(shape).astype(np.int64)


def by_colour(colours):
    """The units of each colour, in order."""
    return [np.flatnonzero(colours == k) for k in range(colours.max() + 1)]


class Scatter:
    """Adds columns of values to the columns of an output that `index` names; several may go to one."""

    def __init__(self, index, size):
        flat = np.asarray(index).ravel()
        self.order = np.argsort(flat, kind="stable")
        ordered = flat[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(flat) else flat
        self.targets = ordered[self.starts] if len(flat) else flat
        self.single = len(self.targets) == len(flat)
        self.index, self.size = flat, size

    def __call__(self, output, values):
        """output[..., index] += values, over the last axis; output has `size` columns."""
        if self.single:
            output[..., self.index] += values
        else:
            output[..., self.targets] += np.add.reduceat(values[..., self.order], self.starts, axis=-1)


def sigmoid(x, out=None):
    """1 / (1 + exp(-x)); far in the tail exp overflows to infinity and the result is the right 0."""
    x = np.asarray(x)
    with quiet():
        out = np.negative(x, out=np.empty_like(x) if out is None else out)
        np.exp(out, out=out)
        out += 1.0
        return np.reciprocal(out, out=out)


def softplus(x, out=None):
    """log(1 + exp(x))"""
    with quiet():
        return np.logaddexp(0.0, x, out=out, dtype=np.asarray(x).dtype)


def step(x, out=None):
    """1 where x > 0, else 0."""
    return np.greater(x, 0.0, out=np.empty_like(x) if out is None else out)


def softmax_last(x, out=None):
    """exp(x_k) / sum_k exp(x_k) over the last axis."""
    out = np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    with quiet():
        np.exp(out, out=out)
    return np.divide(out, out.sum(axis=-1, keepdims=True), out=out)


def logsumexp_last(x):
    """log sum_k exp(x_k) over the last axis."""
    top = x.max(axis=-1)
    with quiet():
        return np.log(np.exp(x - top[..., None]).sum(axis=-1)) + top


def entropy_last(x):
    """Entropy of softmax(x) over the last axis."""
    return logsumexp_last(x) - (softmax_last(x) * x).sum(axis=-1)


def choose_last(x, u, out=None):
    """One-hot draw from softmax(x) over the last axis, by inverse CDF: the first state whose CDF exceeds u."""
    weight = x - x.max(axis=-1, keepdims=True)
    with quiet():
        np.exp(weight, out=weight)
    total = np.cumsum(weight, axis=-1, out=weight)
    above = total > (np.asarray(u) * total[..., -1])[..., None]
    above[..., -1] = True
    out = np.empty_like(x) if out is None else out
    out[...] = above
    out[..., 1:] -= above[..., :-1]
    return out


_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_NEAR = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(coefficients, x):
    above, below = (np.polynomial.polynomial.polyval(x, c) for c in coefficients)
    return above / below


def ndtri(u, out=None):
    """Quantile of the standard normal distribution at u in [0, 1) (Wichura 1988, algorithm AS 241)."""
    u = np.asarray(u)
    p = np.clip(u.astype(np.float64), 2.0**-26 if u.dtype == np.float32 else 2.0**-54, 1.0 - 2.0**-53)
    q = p - 0.5
    value = q * _ratio(_CENTRE, 0.180625 - q * q)
    tail = np.abs(q) > 0.425
    if tail.any():
        r = np.sqrt(-np.log(np.minimum(p[tail], 1.0 - p[tail])))
        size = np.where(r <= 5.0, _ratio(_NEAR, r - 1.6), _ratio(_FAR, r - 5.0))
        value[tail] = np.copysign(size, q[tail])
    out = np.empty_like(u) if out is None else out
    out[...] = value
    return out


def lgamma(x):
    """Log Gamma(x), elementwise."""
    return np.vectorize(math.lgamma, otypes=[float])(x)


def digamma(x):
    """D log Gamma(x) / dx for x > 0, by recurrence to x >= 6 and the asymptotic series."""
    x = np.array(x, dtype=np.float64)
    shift = np.zeros_like(x)
    for _ in range(6):
        small = x < 6.0
        shift[small] -= 1.0 / x[small]
        x[small] += 1.0
    z = 1.0 / (x * x)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z / 132))))
    return shift + np.log(x) - 0.5 / x - series
