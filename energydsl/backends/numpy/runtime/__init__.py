"""What generated NumPy kernels stand on, a room for each kind of thing.

The text of the rooms, one after the other, is copied into standalone modules, so they need only NumPy. What the package
itself takes from them, where it works on arrays without a model, stands here.
"""

from energydsl.backends.numpy.runtime.arrays import host, load, repeated, xp
from energydsl.backends.numpy.runtime.layers import Moments
from energydsl.backends.numpy.runtime.products import axpy, single_threaded_blas, square_sum
from energydsl.backends.numpy.runtime.quantile import ndtri
from energydsl.backends.numpy.runtime.stream import Stream

__all__ = ["Moments", "Stream", "axpy", "host", "load", "ndtri", "repeated", "single_threaded_blas", "square_sum", "xp"]
