"""How densities without a closed form are integrated: the rule on a panel, and how fine panels are (`domains/density.py`)."""

from __future__ import annotations

import numpy as np

# The rule of Gauss and Legendre of eight points: places on [-1, 1], weights.
GAUSS_LEGENDRE = np.array([
    (-0.9602898564975362, 0.10122853629037706), (-0.7966664774136267, 0.22238103445337443),
    (-0.525532409916329, 0.31370664587788744), (-0.18343464249564984, 0.36268378337836193),
    (0.18343464249564984, 0.36268378337836193), (0.525532409916329, 0.31370664587788744),
    (0.7966664774136267, 0.22238103445337443), (0.9602898564975362, 0.10122853629037706),
])  # fmt: skip
# How far below the greatest exponent nothing is left.
PANEL_DEEP = 40.0
# What a panel may be bent and rise, the argument of a function on it change, and how narrow it may become beside its
# distance from 0. Bends and rises by PANEL_ROUGH of the exponent are rounding.
PANEL_CURVED, PANEL_STEEP, PANEL_FAST, PANEL_NARROW, PANEL_ROUGH = 0.25, 5.0, 2.0, 1e-15, 1e-15
# Where a panel is PANEL_WILD times too bent or steep, halves would take too long to come to what is near 0: it is then
# cut PANEL_NEARER to that.
PANEL_WILD, PANEL_NEARER = 1e8, 2.0**-16
# How many cuts deep a panel can lie beside the few it begins with: from 1e60 down to 1e-60, and on to the distance of
# two numbers.
PANEL_STACK = 128
# How many panels a unit may have, steps of Newton's method, places of a grid, and how often the grid is made finer.
PANEL_MOST, PANEL_NEWTON, PANEL_GRID, PANEL_FINER = 20_000, 12, 16, 10
# How often the distance at which a density has ended is doubled in the search for it.
PANEL_FAR = 100
# An exp so low is no more than rounding; beyond this exponent it is as high as can be.
PANEL_LOW, PANEL_HIGH = 1e-12, 700.0
# Numbers of the functions that stand in exp alone (see `domains/density.py`): without, and with a growing exponent; and that of
# log sigmoid, and of 2 log cosh(y / 2). That of exp, whose bounds are found on each panel.
BUMP, WALL, LOGISTIC, EVEN = 8, 9, 10, 11
EXP = 7
# Where in a row of a factor its polynomial begins, after its statistic, function, power, whether it is of the variable of
# integration, and the bounds of the function: size, whether its argument adds to that, slope and bend.
ROW = 8
# How a unit follows from the variable of integration: as exp of it, or as a sigmoid of it between bounds.
HALF_LINE, BOUNDED = 1, 2
# Sums over counts have none, but tables: exp of how far below the value at 1 what lies beyond a table is (2^-61), the longest table, how
# often its length is halved in the search for it, and how many values are held at once.
COUNTED = 3
# A unit of R as sinh of the variable of integration.
WHOLE_LINE = 4
TABLE_DEEP, TABLE_LONGEST, TABLE_FINER, TABLE_AT_ONCE = 42.5, 1 << 20, 14, 1 << 21
