"""1 for y > 0, else 0: the likelier value of a two-valued unit."""

from energydsl.functions.table import NONNEGATIVE, ElementaryFunction

STEP = ElementaryFunction(
    name="step", value=lambda y: float(y > 0), derivative=(), array="step", unit="unit_step", sign=NONNEGATIVE
)
