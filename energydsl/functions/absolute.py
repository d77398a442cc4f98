"""|y|: the derivative is the sign of y."""

from energydsl.functions.table import NONNEGATIVE, Bounds, ElementaryFunction

ABS = ElementaryFunction(
    name="abs",
    value=abs,
    derivative=((1.0, (("sign", 1.0),)),),
    array="np.abs",
    unit="unit_abs",
    written=4,
    sign=NONNEGATIVE,
    keeps_sign=True,
    bounds=Bounds(size=0.0, slope=1.0, bend=0.0, grows=True),
    integrated=1,
    far=lambda c, a: ((1.0, 0.0, abs(a), True), (0.0, 0.0, abs(c), False)),
    moved=((1.0, 0.0, 1.0, True), (0.0, 0.0, 1.0, False)),
    absolute=True,
)
