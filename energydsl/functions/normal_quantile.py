"""The quantile function of the standard Normal, 0 < y < 1: what a uniform number is turned into."""

from statistics import NormalDist

from energydsl.functions.table import ElementaryFunction

NDTRI = ElementaryFunction(name="ndtri", value=NormalDist().inv_cdf, array="ndtri", unit="unit_ndtri")
