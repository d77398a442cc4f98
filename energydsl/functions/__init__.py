"""One file an elementary function, one table."""

from energydsl.functions.absolute import ABS
from energydsl.functions.cosine import COS
from energydsl.functions.digamma import DIGAMMA
from energydsl.functions.expm1 import EXPM1
from energydsl.functions.exponential import EXP
from energydsl.functions.floor import FLOOR
from energydsl.functions.identity import IDENTITY
from energydsl.functions.log1mexp import LOG1MEXP
from energydsl.functions.log1p import LOG1P
from energydsl.functions.log_cosh import LOGCOSH
from energydsl.functions.log_gamma import LGAMMA
from energydsl.functions.log_sum_exp import LOGSUMEXP
from energydsl.functions.logarithm import LOG
from energydsl.functions.normal_quantile import NDTRI
from energydsl.functions.sigmoid import SIGMOID
from energydsl.functions.sign import SIGN
from energydsl.functions.sine import SIN
from energydsl.functions.softplus import SOFTPLUS
from energydsl.functions.square_root import SQRT
from energydsl.functions.step import STEP
from energydsl.functions.table import NONNEGATIVE as NONNEGATIVE
from energydsl.functions.table import POSITIVE as POSITIVE
from energydsl.functions.table import UNKNOWN as UNKNOWN
from energydsl.functions.table import Bounds as Bounds
from energydsl.functions.table import ElementaryFunction as ElementaryFunction
from energydsl.functions.table import Terms as Terms
from energydsl.functions.table import derivative_of
from energydsl.functions.tanh import TANH
from energydsl.functions.trigamma import TRIGAMMA

_ALL = (
    *(IDENTITY, EXP, LOG, SQRT, ABS, TANH, SIGMOID, SOFTPLUS, SIN, COS, LGAMMA, LOGCOSH),
    *(DIGAMMA, TRIGAMMA, SIGN, STEP, FLOOR, EXPM1, LOG1P, LOG1MEXP, NDTRI, LOGSUMEXP),
)
FUNCTIONS = {f.name: f for f in _ALL}
# The names of those that a model may hold, in the order in which they are shown.
WRITTEN = tuple(f.name for f in sorted(_ALL, key=lambda f: f.written) if f.written)


def second_derivative(name: str) -> Terms | None:
    """f''(y) of a function of the table as a sum of (coefficient, product of functions of y); None where it is not known."""
    first = FUNCTIONS[name].derivative
    return None if first is None else derivative_of(first, FUNCTIONS)
