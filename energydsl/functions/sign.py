"""The sign of y, -1, 0 or 1: the derivative of |y|. Its own is 0 but at 0."""

from energydsl.functions.table import ElementaryFunction

SIGN = ElementaryFunction(name="sign", value=lambda y: float(y > 0) - float(y < 0), derivative=(), array="np.sign")
