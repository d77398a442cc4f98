"""Normal and exponential distributions between two bounds.

Units of the domains `interval` and `positive`, of density proportional to exp(eta1 x + eta2 x^2) or exp(eta1 x) on
[low, high]; high may be infinity for the first. Natural parameters are arrays of one shape and so are the results, in
their precision; what lies between is computed in float64.
"""

from __future__ import annotations

import math

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, put, silent
from energydsl.backends.numpy.runtime.functions import ROOT_TWO_PI, log_mills
from energydsl.backends.numpy.runtime.quantile import ndtri


def cumulated_hazard(a: Array, d: Array) -> Array:
    """-log of the probability that a standard normal above a is above a + d, d >= 0.

    -log((1 - Phi(a + d)) / (1 - Phi(a))) = d (d + 2 a) / 2 + log r(a) - log r(a + d), r Mills' ratio.
    """
    with silent():
        found = 0.5 * d * (d + 2.0 * a) + log_mills(a) - log_mills(np.minimum(a + d, 1e150))
        return np.where(np.isinf(d), math.inf, found)


class Truncated:
    """A normal distribution between two bounds, seen from the end nearer to its mode: z = (x - mean) / sd in [a, a + d].

    peak: whether the mode lies inside. scale: exp(-a^2 / 2) over the integral of exp(-z^2 / 2). fall: how much lower the
    density is at the far end.
    """

    def __init__(self, eta1: Array, eta2: Array, low: float, high: float) -> None:
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
            self.inside = ROOT_TWO_PI - self.below - above
            self.scale = np.where(
                self.peak, np.exp(-0.5 * self.a**2) / self.inside, np.exp(-log_mills(self.a)) / self.kept
            )
            # log of the integral of exp(-a t - t^2 / 2) on [0, d], which is exp(-a t) where d is tiny
            c = self.a * self.d
            even = np.log(self.d * np.where(np.abs(c) < 1e-9, 1.0 - 0.5 * c, -np.expm1(-c) / c))
            self.tiny = self.d < 1e-5
            self.beside = np.where(self.tiny, even, log_mills(np.maximum(self.a, 0.0)) + np.log(self.kept))

    def log_integral(self) -> Array:
        """log of the integral of exp(eta1 x + eta2 x^2) over [low, high]."""
        with silent():
            centre = -0.25 * self.first**2 / self.second + np.log(self.inside)
            end = self.near * (self.first + self.second * self.near) + self.beside
        found: Array = np.log(self.sd) + np.where(self.peak & ~self.tiny, centre, end)
        return found

    def entropy(self) -> Array:
        """-<log p>, by the mass beside the peak of exp(-z^2 / 2), or beside z = a, and how far it falls there on average."""
        mean, variance = self.moments()
        with silent():
            z, step, spread = (mean - self.mean) / self.sd, np.abs(mean - self.near) / self.sd, variance / self.sd**2
            centre = np.log(self.inside) + 0.5 * (z * z + spread)
            end = self.beside + self.a * step + 0.5 * (step * step + spread)
        found: Array = np.log(self.sd) + np.where(self.peak & ~self.tiny, centre, end)
        return found

    def moments(self) -> tuple[Array, Array]:
        """Mean and variance (Johnson, Kotz & Balakrishnan 1994, volume 1, chapter 13).

        Where the density is nearly flat, or the mode far outside, those of an exponential density on [0, d], which it is there.
        """
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

    def draw(self, u: Array) -> Array:
        """One draw from one uniform number, growing with it: by the normal quantile where the mode lies inside.

        Else the cumulated hazard is solved for d by five steps of Newton's method, from the nearer of two bounds.
        """
        v = np.where(self.flipped, 1.0 - u, u)
        a, target = np.maximum(self.a, 0.0), -np.log1p(-np.minimum(v * self.kept, 1.0 - 2.0**-53))
        with silent():
            d = np.minimum(target * np.exp(log_mills(a)), 2.0 * target / (a + np.sqrt(a * a + 2.0 * target) + 1e-300))
            for _ in range(5):
                d = np.maximum(d - (cumulated_hazard(a, d) - target) * np.exp(log_mills(a + d)), 0.0)
            even = self.d * (v - v * (1.0 - v) * (0.5 * self.a * self.d + self.d**2 * (1.0 + v) / 6.0))
        z = np.asarray(ndtri(np.asarray((self.below + v * self.inside) / ROOT_TWO_PI, np.float64)))
        flat = self.d < 3e-3
        beside = self.near + self.sign * self.sd * np.where(self.peak, even, d)
        found: Array = np.where(self.peak & ~flat, self.mean + self.sign * self.sd * z, beside)
        return found


def decay(c: Array) -> tuple[Array, Array]:
    """Mean and variance of the density exp(-c t) on [0, 1], c >= 0; by their series at 0 where c < 0.03."""
    with silent():
        q = c * c
        mean = np.where(c < 0.03, 0.5 - c / 12.0 + c * q / 720.0, 1.0 / c - 1.0 / np.expm1(c))
        variance = np.where(c < 0.03, 1.0 / 12.0 - q / 240.0 + q * q / 6048.0, 1.0 / q - 0.25 / np.sinh(0.5 * c) ** 2)
    return mean, variance


def truncated_normal_log(eta1: Array, eta2: Array, low: float, high: float) -> Array:
    """log of the integral of exp(eta1 x + eta2 x^2) over [low, high], eta2 < 0."""
    return put(Truncated(eta1, eta2, low, high).log_integral(), eta1)


def truncated_normal_mean(eta1: Array, eta2: Array, low: float, high: float) -> Array:
    """Mean of the normal distribution between two bounds."""
    return put(np.clip(Truncated(eta1, eta2, low, high).moments()[0], low, high), eta1)


def truncated_normal_variance(eta1: Array, eta2: Array, low: float, high: float) -> Array:
    """Variance of the normal distribution between two bounds."""
    return put(np.maximum(Truncated(eta1, eta2, low, high).moments()[1], 0.0), eta1)


def truncated_normal_entropy(eta1: Array, eta2: Array, low: float, high: float) -> Array:
    """Entropy of the normal distribution between two bounds, in nats."""
    return put(Truncated(eta1, eta2, low, high).entropy(), eta1)


def truncated_normal_draw(
    eta1: Array, eta2: Array, low: float, high: float, u: Array, out: Array | None = None
) -> Array:
    """A draw of the normal distribution between two bounds; u: one uniform number a unit."""
    drawn = Truncated(eta1, eta2, low, high).draw(np.asarray(u, np.float64))
    return np.clip(put(drawn, u, out), low, high, out=out)


def truncated_exponential_log(eta1: Array, low: float, high: float) -> Array:
    """log of the integral of exp(eta1 x) over [low, high]."""
    eta, width = np.asarray(eta1, np.float64), high - low
    c = np.abs(eta) * width
    with silent():
        mass = np.where(c < 1e-9, 1.0 - 0.5 * c, -np.expm1(-c) / c)
    return put(eta * np.where(eta > 0.0, high, low) + math.log(width) + np.log(mass), eta1)


def truncated_exponential_mean(eta1: Array, low: float, high: float) -> Array:
    """Mean of the density exp(eta1 x) on [low, high]."""
    eta, width = np.asarray(eta1, np.float64), high - low
    mean, _ = decay(np.abs(eta) * width)
    return put(np.where(eta > 0.0, high - width * mean, low + width * mean), eta1)


def truncated_exponential_variance(eta1: Array, low: float, high: float) -> Array:
    """Variance of the density exp(eta1 x) on [low, high]."""
    return put((high - low) ** 2 * decay(np.abs(np.asarray(eta1, np.float64)) * (high - low))[1], eta1)


def truncated_exponential_entropy(eta1: Array, low: float, high: float) -> Array:
    """Entropy of the density exp(eta1 x) on [low, high], in nats."""
    c = np.abs(np.asarray(eta1, np.float64)) * (high - low)
    with silent():
        mass = np.where(c < 1e-9, 1.0 - 0.5 * c, -np.expm1(-c) / c)
    return put(math.log(high - low) + np.log(mass) + c * decay(c)[0], eta1)


def truncated_exponential_draw(eta1: Array, low: float, high: float, u: Array, out: Array | None = None) -> Array:
    """A draw of the density exp(eta1 x) on [low, high], by inverse CDF; u: one uniform number a unit."""
    eta, u64, width = np.asarray(eta1, np.float64), np.asarray(u, np.float64), high - low
    c, up = np.abs(eta) * width, eta > 0.0
    v = np.where(up, 1.0 - u64, u64)
    with silent():
        t = np.where(c < 1e-9, v, -np.log1p(v * np.expm1(-c)) / c)
    return np.clip(put(np.where(up, high - width * t, low + width * t), u, out), low, high, out=out)
