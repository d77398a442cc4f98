"""What generated NumPy kernels stand on. Copied into every standalone module; needs only NumPy."""

import base64
import contextlib
import math
import threading
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

xp = np


class Workspace(threading.local):
    """Arrays by name, made once and used again as long as shape and precision stay the same; other ones in each thread."""

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


def log_partition_difference(log_partition, etas, before, after, shape):
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
single_threaded_blas = contextlib.nullcontext


def quiet():
    """No warnings where exp leaves the range of numbers."""
    return np.errstate(over="ignore", under="ignore")


def silent():
    """No warnings where one of two branches that are both computed is not a number."""
    return np.errstate(all="ignore")


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


class Part(NamedTuple):
    """What is drawn together: a layer ("whole"), the units of one colour of it ("colours"), or all units in turn ("scan")."""

    layer: str
    kind: str = "whole"
    colour: int = 0


class Tempered(NamedTuple):
    """What annealing asks of a layer between two temperatures, from fields that are found once."""

    split_fields: Callable
    log_partition_difference: Callable
    draw: Callable


class Layer(NamedTuple):
    """The kernels of a layer.

    fields(p, x, s, w), and unit_fields for one unit at a time: natural parameters. sample, scan: draws into the state.
    moments(means, *fields), means(p, x, s, w, means): conditional moments into a Moments. log_partition, mean, variance,
    entropy, mode: of every unit, functions of the fields. units: those of each colour. density: statistics without a closed form.
    """

    fields: Callable
    sample: Callable
    moments: Callable
    means: Callable
    log_partition: Callable
    mean: Callable
    variance: Callable
    entropy: Callable
    mode: Callable
    unit_fields: tuple = ()
    scan: Callable | None = None
    units: list | None = None
    tempered: Tempered | None = None
    density: object = None


def draw_part(layer, part, p, x, s, random, w, means=None):
    """Draw one part of a block; the moments of a whole layer into means."""
    if part.kind == "scan":
        layer.scan(p, x, s, random, w)
    elif part.kind == "colours":
        layer.sample(p, x, s, random, w, part.colour)
    else:
        layer.sample(p, x, s, random, w, None, means)


class Moments(dict):
    """First moments by layer, where a state has values; second: those of the squares, of layers that have them as a statistic."""

    def __init__(self, first: dict, second: dict) -> None:
        super().__init__(first)
        self.second = dict(second)


def rows(x):
    """The number of chains of a state."""
    return len(next(iter(x.values())))


def square(x, name):
    """Second moments of a layer: those in the state if it holds means, else the squares of its values."""
    second = getattr(x, "second", {})
    return second[name] if name in second else x[name] ** 2


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
    """Log Gamma(x), elementwise; for x > 0 by Stirling's series, eight steps up."""
    x = np.asarray(x, np.float64)
    if not (x > 0.0).all():
        return np.vectorize(math.lgamma, otypes=[float])(x)
    below, y = np.log(x), x + 8.0
    for k in range(1, 8):
        below = below + np.log(x + k)
    z = 1.0 / (y * y)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188)))) / y
    return (y - 0.5) * np.log(y) - y + 0.5 * math.log(2.0 * math.pi) + series - below


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


def expm1(x):
    """exp(x) - 1"""
    with quiet():
        return np.expm1(x)


def log1mexp(x):
    """log(1 - exp(x)) for x < 0"""
    return np.log(-np.expm1(x))


def clip(x, low, high, out=None):
    """The nearest value in [low, high]."""
    return np.clip(x, low, high, out=out)


# (1 + x) r(x) in Chebyshev polynomials of (x - 4) / (x + 4), r Mills' ratio: computed to 50 digits for this file.
_MILLS = (
    1.1670525350882472057, -0.16101957671346538914, -0.028002821825452974716, 0.031674521892392658864,
    -0.012103231162345368661, 0.0027056129762167095153, -2.9931636202703165933e-4, -1.716686526879361022e-5,
    1.0178489264109867437e-5, -4.8948295700041917723e-7, -2.844006500151047843e-7, 3.076628371381150396e-8,
    9.1803786744695372008e-9, -1.2756102213808736222e-9, -3.6602793761041338272e-10, 4.5926359348595205189e-11,
    1.718931468764652685e-11, -1.2726833698700694016e-12, -8.6680819133161884347e-13, 1.1061557204136740861e-15,
    4.2750210770103333828e-14, 3.7909376922639045483e-15, -1.8474103010592331508e-15, -4.0419094130708177895e-16,
)  # fmt: skip
_ROOT = math.sqrt(2.0 * math.pi)


def log_mills(x):
    """Log of Mills' ratio of the standard normal, log (1 - Phi(x)) / phi(x)."""
    size = np.abs(x)
    t = 2.0 * (size - 4.0) / (size + 4.0)
    first, second = 0.0 * t, 0.0 * t
    for coefficient in _MILLS[:0:-1]:
        first, second = t * first - second + coefficient, first
    ratio = (0.5 * t * first - second + _MILLS[0]) / (1.0 + size)
    with quiet():
        half = 0.5 * size * size
        return np.where(x >= 0.0, np.log(ratio), half + np.log(_ROOT - np.exp(-half) * ratio))


def cumulated_hazard(a, d):
    """-log of the probability that a standard normal above a is above a + d."""
    with silent():
        found = 0.5 * d * (d + 2.0 * a) + log_mills(a) - log_mills(np.minimum(a + d, 1e150))
        return np.where(np.isinf(d), math.inf, found)


class Truncated:
    """A normal distribution between two bounds, seen from the end nearer to its mode: z = (x - mean) / sd in [a, a + d].

    peak: whether the mode lies inside. scale: exp(-a^2 / 2) over the integral of exp(-z^2 / 2). fall: how much lower the
    density is at the far end.
    """

    def __init__(self, eta1, eta2, low, high):
        first, second = (np.asarray(e, np.float64) for e in (eta1, eta2))
        self.first, self.second = first, second
        self.sd, self.mean = np.sqrt(-0.5 / second), -0.5 * first / second
        a, b = (low - self.mean) / self.sd, (high - self.mean) / self.sd
        self.flipped = a + b < 0.0
        self.near = np.where(self.flipped, high, low)
        self.sign = np.where(self.flipped, -1.0, 1.0)
        self.a, self.b = np.where(self.flipped, -b, a), np.where(self.flipped, -a, b)
        self.d = (high - low) / self.sd
        self.peak = self.a < 0.0
        with silent():
            self.fall = np.where(np.isinf(self.d), 0.0, np.exp(-0.5 * self.d * (self.b + self.a)))
            self.kept = -np.expm1(-cumulated_hazard(np.maximum(self.a, 0.0), self.d))
            self.below = np.exp(-0.5 * self.a**2 + log_mills(-self.a))
            above = np.where(np.isinf(self.b), 0.0, np.exp(-0.5 * self.b**2 + log_mills(self.b)))
            self.inside = _ROOT - self.below - above
            self.scale = np.where(
                self.peak, np.exp(-0.5 * self.a**2) / self.inside, np.exp(-log_mills(self.a)) / self.kept
            )
            # log of the integral of exp(-a t - t^2 / 2) on [0, d], which is exp(-a t) where d is tiny
            c = self.a * self.d
            even = np.log(self.d * np.where(np.abs(c) < 1e-9, 1.0 - 0.5 * c, -np.expm1(-c) / c))
            self.tiny = self.d < 1e-5
            self.beside = np.where(self.tiny, even, log_mills(np.maximum(self.a, 0.0)) + np.log(self.kept))

    def log_integral(self):
        """log of the integral of exp(eta1 x + eta2 x^2)."""
        with silent():
            centre = -0.25 * self.first**2 / self.second + np.log(self.inside)
            end = self.near * (self.first + self.second * self.near) + self.beside
        return np.log(self.sd) + np.where(self.peak & ~self.tiny, centre, end)

    def entropy(self):
        """-<log p>, by the mass beside the peak of exp(-z^2 / 2), or beside z = a, and how far it falls there on average."""
        mean, variance = self.moments()
        with silent():
            z, step, spread = (mean - self.mean) / self.sd, np.abs(mean - self.near) / self.sd, variance / self.sd**2
            centre = np.log(self.inside) + 0.5 * (z * z + spread)
            end = self.beside + self.a * step + 0.5 * (step * step + spread)
        return np.log(self.sd) + np.where(self.peak & ~self.tiny, centre, end)

    def moments(self):
        """Mean and variance."""
        with silent():
            z = self.scale * (1.0 - self.fall)
            rest = np.where(self.fall == 0.0, 0.0, self.b * self.fall)
            variance = 1.0 + self.scale * (self.a - rest) - z * z
            mean, spread = decay(np.abs(self.a) * self.d)
            wide = np.isinf(self.d)
            mean, spread = (
                np.where(wide, 1.0 / self.a, self.d * mean),
                np.where(wide, 1.0 / self.a**2, self.d**2 * spread),
            )
        flat = self.d < 3e-3
        mean = np.where(flat | (self.a > 1e4), mean, z - self.a)
        variance = np.where(flat | (self.a > 700.0), spread, variance)
        centred = self.mean + self.sign * self.sd * z
        return np.where(self.peak & ~flat, centred, self.near + self.sign * self.sd * mean), self.sd**2 * variance

    def draw(self, u):
        """One draw from one uniform number, growing with it."""
        v = np.where(self.flipped, 1.0 - u, u)
        a, target = np.maximum(self.a, 0.0), -np.log1p(-np.minimum(v * self.kept, 1.0 - 2.0**-53))
        with silent():
            d = np.minimum(target * np.exp(log_mills(a)), 2.0 * target / (a + np.sqrt(a * a + 2.0 * target) + 1e-300))
            for _ in range(5):
                d = np.maximum(d - (cumulated_hazard(a, d) - target) * np.exp(log_mills(a + d)), 0.0)
            even = self.d * (v - v * (1.0 - v) * (0.5 * self.a * self.d + self.d**2 * (1.0 + v) / 6.0))
        z = np.asarray(ndtri(np.asarray((self.below + v * self.inside) / _ROOT, np.float64)))
        flat = self.d < 3e-3
        beside = self.near + self.sign * self.sd * np.where(self.peak, even, d)
        return np.where(self.peak & ~flat, self.mean + self.sign * self.sd * z, beside)


def decay(c):
    """Mean and variance of the density exp(-c t) on [0, 1], c >= 0."""
    with silent():
        q = c * c
        mean = np.where(c < 0.03, 0.5 - c / 12.0 + c * q / 720.0, 1.0 / c - 1.0 / np.expm1(c))
        variance = np.where(c < 0.03, 1.0 / 12.0 - q / 240.0 + q * q / 6048.0, 1.0 / q - 0.25 / np.sinh(0.5 * c) ** 2)
    return mean, variance


def put(value, like, out=None):
    """A value in the precision of an array, into `out` if that is given."""
    value = np.asarray(value)
    out = np.empty(value.shape, np.asarray(like).dtype) if out is None else out
    with quiet():
        out[...] = value
    return out


def truncated_normal_log(eta1, eta2, low, high):
    """log of the integral of exp(eta1 x + eta2 x^2) over [low, high], eta2 < 0."""
    return put(Truncated(eta1, eta2, low, high).log_integral(), eta1)


def truncated_normal_mean(eta1, eta2, low, high):
    """Mean of the normal distribution between two bounds."""
    return put(np.clip(Truncated(eta1, eta2, low, high).moments()[0], low, high), eta1)


def truncated_normal_variance(eta1, eta2, low, high):
    """Variance of the normal distribution between two bounds."""
    return put(np.maximum(Truncated(eta1, eta2, low, high).moments()[1], 0.0), eta1)


def truncated_normal_entropy(eta1, eta2, low, high):
    """Entropy of the normal distribution between two bounds."""
    return put(Truncated(eta1, eta2, low, high).entropy(), eta1)


def truncated_normal_draw(eta1, eta2, low, high, u, out=None):
    """A draw of the normal distribution between two bounds."""
    drawn = Truncated(eta1, eta2, low, high).draw(np.asarray(u, np.float64))
    return np.clip(put(drawn, u, out), low, high, out=out)


def truncated_exponential_log(eta1, low, high):
    """log of the integral of exp(eta1 x) over [low, high]."""
    eta, width = np.asarray(eta1, np.float64), high - low
    c = np.abs(eta) * width
    with silent():
        mass = np.where(c < 1e-9, 1.0 - 0.5 * c, -np.expm1(-c) / c)
    return put(eta * np.where(eta > 0.0, high, low) + math.log(width) + np.log(mass), eta1)


def truncated_exponential_mean(eta1, low, high):
    """Mean of the density exp(eta1 x) on [low, high]."""
    eta, width = np.asarray(eta1, np.float64), high - low
    mean, _ = decay(np.abs(eta) * width)
    return put(np.where(eta > 0.0, high - width * mean, low + width * mean), eta1)


def truncated_exponential_variance(eta1, low, high):
    """Variance of the density exp(eta1 x) on [low, high]."""
    return put((high - low) ** 2 * decay(np.abs(np.asarray(eta1, np.float64)) * (high - low))[1], eta1)


def truncated_exponential_entropy(eta1, low, high):
    """Entropy of the density exp(eta1 x) on [low, high]."""
    c = np.abs(np.asarray(eta1, np.float64)) * (high - low)
    with silent():
        mass = np.where(c < 1e-9, 1.0 - 0.5 * c, -np.expm1(-c) / c)
    return put(math.log(high - low) + np.log(mass) + c * decay(c)[0], eta1)


def truncated_exponential_draw(eta1, low, high, u, out=None):
    """A draw of the density exp(eta1 x) on [low, high]."""
    eta, u64, width = np.asarray(eta1, np.float64), np.asarray(u, np.float64), high - low
    c, up = np.abs(eta) * width, eta > 0.0
    v = np.where(up, 1.0 - u64, u64)
    with silent():
        t = np.where(c < 1e-9, v, -np.log1p(v * np.expm1(-c)) / c)
    return np.clip(put(np.where(up, high - width * t, low + width * t), u, out), low, high, out=out)


def poisson_rate(eta1, dtype=None):
    """exp(eta1), and no more than a number of this precision can be drawn for."""
    dtype = np.asarray(eta1).dtype if dtype is None else dtype
    with quiet():
        return np.exp(np.minimum(eta1, 88.0 if dtype == np.float32 else 700.0))


def poisson_draw(eta1, u, out=None):
    """The number k with F(k - 1) <= u < F(k), F the distribution function of a Poisson number of rate exp(eta1).

    F below the mode is added up from the mode down; from there the search goes down or up.
    """
    rate = poisson_rate(np.broadcast_to(np.asarray(eta1, np.float64), np.shape(u)).ravel(), np.asarray(u).dtype)
    v = np.asarray(u, np.float64).ravel()
    found = np.floor(rate + np.sqrt(rate) * np.asarray(ndtri(v)) + 0.5)
    some = np.flatnonzero(rate < 1e8)
    rate, v = rate[some], v[some]
    k = np.floor(rate)
    peak = poisson_peak(k, rate)
    below, weight, place = np.zeros_like(peak), peak.copy(), k.copy()
    live = np.flatnonzero(place > 0)
    while len(live):
        weight[live] *= place[live] / rate[live]
        place[live] -= 1.0
        below[live] += weight[live]
        live = live[(place[live] > 0) & (weight[live] > 1e-18)]
    down = v < below
    weight = np.where(down, peak * k / np.maximum(rate, 1e-300), peak)
    bound = np.where(down, below - weight, below + peak)
    k = np.where(down, k - 1.0, k)
    live = np.flatnonzero(np.where(down, (v < bound) & (k > 0), v >= bound))
    while len(live):
        here = down[live]
        weight[live] *= np.where(here, k[live], rate[live]) / np.where(here, rate[live], k[live] + 1.0)
        k[live] += np.where(here, -1.0, 1.0)
        bound[live] += np.where(here, -weight[live], weight[live])
        on = np.where(here, (v[live] < bound[live]) & (k[live] > 0), (v[live] >= bound[live]) & (weight[live] > 1e-18))
        live = live[on]
    found[some] = k
    return put(np.maximum(found, 0.0).reshape(np.shape(u)), u, out)


def poisson_peak(k, rate):
    """rate^k exp(-rate) / k! near the mode, k = floor(rate): by Stirling's series from 10 on."""
    with silent():
        x, m = rate / k - 1.0, 1.0 / k
        large = (
            np.exp(k * (np.log1p(x) - x) - m / 12.0 + m**3 / 360.0 - m**5 / 1260.0 + m**7 / 1680.0) * np.sqrt(m) / _ROOT
        )
        few = np.minimum(k, 10.0)
        small = np.exp(-rate) * rate**few / np.cumprod([1.0, *range(1, 11)])[few.astype(int)]
    return np.where(k < 10.0, small, large)


def mean_last(x, low):
    """Mean of the value low + k under softmax(x) over the last axis."""
    return (softmax_last(x) * np.arange(low, low + x.shape[-1], dtype=x.dtype)).sum(axis=-1)


def variance_last(x, low):
    """Variance of the value low + k under softmax(x) over the last axis."""
    p, k = softmax_last(x), np.arange(x.shape[-1], dtype=x.dtype)
    return (p * (k - (p * k).sum(axis=-1, keepdims=True)) ** 2).sum(axis=-1)


def largest_last(x, low):
    """The value low + k with the largest x_k over the last axis."""
    return (low + x.argmax(axis=-1)).astype(x.dtype)


def pick_last(x, u, low, out=None):
    """A draw of the value low + k from softmax(x) over the last axis, by inverse CDF."""
    weight = x - x.max(axis=-1, keepdims=True)
    with quiet():
        np.exp(weight, out=weight)
    total = np.cumsum(weight, axis=-1, out=weight)
    above = total[..., :-1] <= (np.asarray(u) * total[..., -1])[..., None]
    return put(low + above.sum(axis=-1), u, out)


# --- densities without a closed form: panels, see domains/density.py

# The rule of Gauss and Legendre of eight points: places on [-1, 1], weights.
_RULE = np.array([
    (-0.9602898564975362, 0.10122853629037706), (-0.7966664774136267, 0.22238103445337443),
    (-0.525532409916329, 0.31370664587788744), (-0.18343464249564984, 0.36268378337836193),
    (0.18343464249564984, 0.36268378337836193), (0.525532409916329, 0.31370664587788744),
    (0.7966664774136267, 0.22238103445337443), (0.9602898564975362, 0.10122853629037706),
])  # fmt: skip
# How far below the greatest exponent nothing is left; what a panel may be bent and rise, and the argument of a function on
# it change; how narrow it may become beside its distance from 0. Where it is _WILD times too bent or steep, halves would take
# too long to come to what is near 0: it is then cut _NEARER to that. Bends and rises by _ROUGH of the exponent are rounding.
_DEEP, _CURVED, _STEEP, _FAST, _NARROW = 40.0, 0.25, 5.0, 2.0, 1e-15
_WILD, _NEARER, _ROUGH = 1e8, 2.0**-16, 1e-15
# How many cuts deep a panel can lie beside the few it begins with: from 1e60 down to 1e-60, and on to the distance of two numbers.
_STACK = 128
_CROWD = 2_000_000
_MOST, _NEWTON, _GRID, _FINER, _CHUNK = 20_000, 12, 16, 10, 5000
# An exp so low is no more than rounding; beyond this exponent it is as high as can be.
_LOW, _HIGH = 1e-12, 700.0


def capped(y):
    """exp, without overflow."""
    return np.exp(np.minimum(y, _HIGH))


_SHAPES = (lambda y: y, np.abs, np.tanh, sigmoid, softplus, np.sin, np.cos, np.exp, capped, capped)
_BUMP, _WALL = 8, 9


class Density:
    """The statistics of a unit on [low, high]: rows (k, function, power, polynomial...), each a factor of T_k."""

    def __init__(self, count, rows, growth, bend, holds, low, high, breaks):
        self.count, self.factors = count, rows
        # holds: p and c of each statistic that grows like c |x|^p and is never negative, else zeros
        self.holds = np.array(holds, np.float64)
        # taylor[d][k]: T_k^(d + 2) / d! by its coefficients, where T_k is a polynomial; `bend` bounds the others, and in its
        # last row how fast arguments of functions change.
        second = [_slope(_slope(p)) for p in (_polynomial([r for r in rows if r[0] == k]) for k in range(count))]
        bend = [[] if p else b for p, b in zip([*second, []], bend)]
        self.rows, self.growth, self.bend = (_padded(t) for t in (rows, growth, bend))
        size = max(1, *map(len, second))
        table = []
        for d in range(size):
            table.append([[*p, *[0.0] * (size - len(p))] for p in second])
            second = [[c / (d + 1) for c in _slope(p)] for p in second]
        self.taylor = np.array(table, np.float64)
        self.ends = np.array([low, *breaks, high])

    def each(self, x):
        """T_k(x) of every statistic."""
        found = [1.0] * self.count
        for k, function, power, *polynomial in self.factors:
            y = 0.0 * x
            for c in polynomial[::-1]:
                y = y * x + c
            found[k] = found[k] * _SHAPES[function](y) ** power
        return found


def _padded(table):
    """Rows of unequal lengths as an array, zeros at their ends."""
    width = max(1, *map(len, table))
    return np.array([[*row, *[0.0] * (width - len(row))] for row in table], np.float64)


def _slope(p):
    """The derivative of a polynomial."""
    return [k * c for k, c in enumerate(p)][1:]


def _polynomial(factors):
    """The coefficients of a product of powers of polynomials; none where a factor is another function."""
    found = [1.0]
    for _, function, power, *p in factors:
        if function:
            return []
        for _ in range(int(power)):
            found = [
                sum(found[i] * p[n - i] for i in range(len(found)) if 0 <= n - i < len(p))
                for n in range(len(found) + len(p) - 1)
            ]
    return found


def _derivatives(p):
    """A polynomial, and bounds of its first and second derivative by the sizes of their coefficients."""
    first = [k * abs(c) for k, c in enumerate(p)][1:]
    return p, first, [k * c for k, c in enumerate(first)][1:] or [0.0]


class Crowded(Exception):
    """Too many panels at once: fewer units, please."""


class Panels:
    """Panels that hold all mass of some units, and the rule of Gauss and Legendre on each.

    eta: one row a statistic, one column a unit. left, right, owner: the panels, in the order of units and places. x, fall,
    weight: places, exponent - top there, and exp of that times the weights of the rule. edge: where all mass of a panel is
    that is too steep but no wider than the distance of two numbers; NaN for others. bumps: what stands in exp alone: its
    statistic, polynomial, and bounds of the derivatives; walls: the statistic, a and b of exp(a + b x) without a bound.
    """

    def __init__(self, density, eta):
        self.density, self.eta, self.units = density, eta, eta.shape[1]
        alone = [(k, f, p) for k, f, _, *p in density.factors if f in (_BUMP, _WALL)]
        self.bumps = [(k, *map(np.polynomial.Polynomial, _derivatives(p))) for k, _, p in alone]
        self.walls = [(k, *p) for k, f, p in alone if f == _WALL]
        ends = np.repeat(density.ends[:, None], self.units, axis=1)
        if density.holds.any():
            ends = np.clip(ends, *self.reach())
            ends[:, ~np.isfinite(ends).all(axis=0)] = math.nan
        left, right = ends[:-1].T.ravel(), ends[1:].T.ravel()
        owner = np.repeat(np.arange(self.units), len(ends) - 1)
        self.top = np.full(self.units, -math.inf)
        coarse = np.ones(len(left), bool)
        while coarse.any():
            a, b, h = self.exponent(left, owner), self.exponent(right, owner), right - left
            curved, rate = self.bound(left, right, owner)
            above, rise = curved * h * h / 8.0, np.abs(b - a)
            np.maximum.at(self.top, owner, np.maximum(a, b))
            self.top[np.bincount(owner, minlength=self.units) > _MOST] = math.nan
            alive = np.maximum(a, b) + above >= self.top[owner] - _DEEP
            rough = _ROUGH * np.maximum(np.abs(a), np.abs(b))
            steep = (above > np.maximum(_CURVED, rough)) | (rise > np.maximum(_STEEP, rough)) | (rate * h > _FAST)
            coarse = steep & (h > _NARROW * np.maximum(np.abs(left), np.abs(right)))
            wild = (above > _WILD * _CURVED) | (rise > _WILD * _STEEP)
            edge = np.where(steep & ~coarse, np.where(a >= b, left, right), math.nan)
            rows = (left, right, owner, coarse, wild, edge, a, b)
            left, right, owner, coarse, wild, edge, a, b = (v[alive] for v in rows)
            if len(left) > _CROWD and self.units > 1:
                raise Crowded
            far, more = right[coarse], owner[coarse]
            centre = self.cut(left[coarse], far, wild[coarse])
            right[coarse] = centre
            left, right, owner = (np.concatenate(pair) for pair in ((left, centre), (right, far), (owner, more)))
        order = np.lexsort((left, owner))
        self.left, self.right, self.owner, self.edge = left[order], right[order], owner[order], edge[order]
        self.x, self.fall, self.weight = self.rule(self.left, self.right, self.owner)
        if (point := order[~np.isnan(self.edge)]).size:
            self.gather(~np.isnan(self.edge), np.maximum(a, b)[point], np.abs(b - a)[point])
        mass = self.total(1.0)
        self.mass = np.where(mass > 0.0, mass, math.nan)

    @staticmethod
    def cut(left, right, wild):
        """Where to cut panels in two: in the middle, or much nearer to 0."""
        size, small = np.maximum(np.abs(left), np.abs(right)), np.minimum(np.abs(left), np.abs(right))
        nearer = np.copysign(np.maximum(np.sqrt(small * size), _NEARER * size), left + right)
        return np.where(wild & (4.0 * small < size), nearer, 0.5 * (left + right))

    def gather(self, point, high, rise):
        """All mass of some panels at their edges: an exp with such a rise, 1 / rise of whose width has the mass."""
        width = (self.right - self.left)[point] / np.maximum(rise, 1.0)
        fall = high - self.top[self.owner[point]]
        self.x[point], self.fall[point] = self.edge[point, None], (fall - 1.0)[:, None]
        self.weight[point] = (np.exp(fall) * width / len(_RULE))[:, None]

    def reach(self):
        """Where a power that holds the mass, and walls before it, have left every other term `_DEEP` below the value at 0.

        Of several powers the nearest; what is never negative and has eta <= 0 only lowers the exponent.
        """
        growth, holds = self.density.growth.T, self.density.holds
        others = np.where((holds[:, :1] > 0.0) & (self.eta <= 0.0), 0.0, np.abs(self.eta))
        start = _DEEP + 2.0 * (growth[0] @ np.abs(self.eta))
        high, most = np.full(self.units, math.inf), np.full(self.units, math.inf)
        for k in np.flatnonzero(holds[:, 0]):
            power = int(holds[k, 0])
            rest = others.copy()
            rest[k] = 0.0
            size = np.zeros((max(power + 1, len(growth)), self.units))
            size[: len(growth)] = growth @ rest
            size[0] = start
            firm = -self.eta[k] * holds[k, 1] - size[power]
            firm = np.where(size[power + 1 :].any(axis=0), 0.0, firm)
            each = [(power * s / firm) ** (1.0 / (power - d)) for d, s in enumerate(size[:power])]
            reach = np.where(firm > 0.0, np.max(each, axis=0), math.inf)
            above = sum(s * r**d for d, (s, r) in enumerate(zip(size, each, strict=False)))
            high, most = np.where(reach < high, reach, high), np.where(reach < high, above, most)
        low = -high
        for k, a, b in self.walls:
            edge = (np.log(most / (0.0 - self.eta[k])) - a) / b
            low, high = (low, np.minimum(high, edge)) if b > 0.0 else (np.maximum(low, edge), high)
        return low, high

    def exponent(self, x, owner):
        """sum_k eta_k T_k(x)."""
        eta = self.eta[:, owner].reshape(len(self.eta), *x.shape[:1], *(1,) * (x.ndim - 1))
        return sum(e * t for e, t in zip(eta, self.density.each(x), strict=True))

    def bound(self, left, right, owner):
        """Bounds of sum_k |eta_k T_k''(x)| on panels, and of how fast the arguments of functions change there."""
        size, found = np.maximum(np.abs(left), np.abs(right)), 0.0
        for c in (self.density.bend[:-1].T @ np.abs(self.eta))[::-1, owner]:
            found = found * size + c
        centre, half = 0.5 * (left + right), 0.5 * (right - left)
        for d, table in enumerate(self.density.taylor):
            value = 0.0
            for c in (table[:, : len(self.density.taylor) - d].T @ self.eta)[::-1, owner]:
                value = value * centre + c
            found = found + np.abs(value) * half**d
        rate = np.polynomial.polynomial.polyval(size, self.density.bend[-1])
        for k, p, slope, bend in self.bumps:
            steep, curved = slope(size), bend(size)
            most = np.maximum(p(left), p(right)) + curved * (right - left) ** 2 / 8.0
            height = np.abs(self.eta[k, owner]) * capped(most)
            found = found + np.where(height > 0.0, height * (steep * steep + curved), 0.0)
            rate = np.where(height > _LOW, np.maximum(rate, steep), rate)
        return found, rate

    def rule(self, left, right, owner):
        """Places, how far exponents fall below the greatest there, and weights between two ends."""
        half = 0.5 * (right - left)[:, None]
        x = 0.5 * (left + right)[:, None] + half * _RULE[:, 0]
        fall = np.minimum(self.exponent(x, owner) - self.top[owner][:, None], _CURVED)
        return x, fall, half * _RULE[:, 1] * np.exp(fall)

    def total(self, value):
        """The integral of a function given at the places, by unit."""
        return np.bincount(self.owner, (self.weight * value).sum(1), self.units)

    def log(self, _):
        return self.top + np.log(self.mass)

    def mean(self, _):
        return self.total(self.x) / self.mass

    def variance(self, _):
        centre = self.mean(None)
        return self.total((self.x - centre[self.owner][:, None]) ** 2) / self.mass

    def entropy(self, _):
        fall = np.where(self.weight > 0.0, self.fall, 0.0)
        return np.log(self.mass) - self.total(fall) / self.mass

    def mode(self, _):
        """The best place of a grid over all panels, and on ever finer grids the best near it."""
        grid = np.linspace(self.left, self.right, _GRID + 1, axis=1)
        f = self.exponent(grid, self.owner)
        best, at, width = np.full(self.units, -math.inf), np.full(self.units, math.nan), np.zeros(self.units)
        np.maximum.at(best, self.owner, f.max(axis=1))
        panel = np.flatnonzero(f.max(axis=1) == best[self.owner])[::-1]
        at[self.owner[panel]] = grid[panel, f[panel].argmax(axis=1)]
        width[self.owner[panel]] = ((self.right - self.left) / _GRID)[panel]
        every = np.arange(self.units)
        for _ in range(_FINER):
            grid = at[:, None] + width[:, None] * np.linspace(-1.0, 1.0, 2 * _GRID + 1)
            grid = np.clip(grid, self.density.ends[0], self.density.ends[-1])
            at = grid[every, self.exponent(grid, every).argmax(axis=1)]
            width = width / _GRID
        return np.where(np.isnan(self.mass), math.nan, at)

    def draw(self, u):
        """The place below which u of the mass lies: its panel by the masses, in it by Newton's method between bounds."""
        if not len(self.owner):
            return self.mass
        every, first = np.arange(self.units), np.searchsorted(self.owner, np.arange(self.units))
        rank = np.arange(len(self.owner)) - first[self.owner]
        mass = np.zeros((self.units, rank.max() + 1))
        mass[self.owner, rank] = self.weight.sum(1)
        below = np.cumsum(mass, axis=1)
        target = u * below[:, -1]
        last = np.bincount(self.owner, minlength=self.units) - 1
        panel = np.clip((below <= target[:, None]).sum(1), 0, np.maximum(last, 0))
        target = target - np.where(panel > 0, below[every, panel - 1], 0.0)
        here = np.minimum(first + panel, len(self.owner) - 1)
        start, a, b = self.left[here], self.left[here], self.right[here]
        x = a + (b - a) * target / mass[every, panel]
        for _ in range(_NEWTON):
            excess = self.rule(start, x, every)[2].sum(1) - target
            a, b = np.where(excess < 0.0, x, a), np.where(excess < 0.0, b, x)
            x = x - excess / np.exp(self.exponent(x, every) - self.top)
            x = np.where((x >= a) & (x <= b), x, 0.5 * (a + b))
        edge = self.edge[here]
        return np.where(np.isnan(self.mass), math.nan, np.where(np.isnan(edge), x, edge))


def integrated(what, density, etas, u=0.0):
    """log of the integral, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined."""
    arrays = np.broadcast_arrays(*etas, u)
    *eta, uniform = (a.astype(np.float64).ravel() for a in arrays)
    found, done, chunk = np.empty(len(uniform)), 0, _CHUNK
    while done < len(found):
        part = slice(done, done + chunk)
        try:
            with silent():
                found[part] = getattr(Panels(density, np.stack([e[part] for e in eta])), what)(uniform[part])
        except Crowded:
            chunk = max(1, chunk // 8)
        else:
            done += chunk
    return found.reshape(arrays[0].shape)


def density_log(density, *etas):
    """log of the integral of exp(sum_k eta_k T_k(x))."""
    return put(integrated("log", density, etas), etas[0])


def density_mean(density, *etas):
    """Mean of the density exp(sum_k eta_k T_k(x))."""
    return put(integrated("mean", density, etas), etas[0])


def density_variance(density, *etas):
    """Variance of the density exp(sum_k eta_k T_k(x))."""
    return put(integrated("variance", density, etas), etas[0])


def density_entropy(density, *etas):
    """Entropy of the density exp(sum_k eta_k T_k(x))."""
    return put(integrated("entropy", density, etas), etas[0])


def density_mode(density, *etas):
    """Where the density exp(sum_k eta_k T_k(x)) is greatest."""
    return put(integrated("mode", density, etas), etas[0])


def density_draw(density, *given, out=None):
    """A draw from one uniform number, the last argument."""
    *etas, u = given
    return put(integrated("draw", density, etas, u), u, out)
