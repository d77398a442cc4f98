"""Domains that the language carries and whose conditionals are not derived yet: classification only."""

from energydsl.domains.table import Domain

POSITIVE = Domain("positive", "truncated_normal", (1, 2), "[0, inf)", finite=False, nonnegative=True)
INTERVAL = Domain("interval", "truncated_normal", (1, 2), "[a, b]", finite=False, bounded=True)
COUNT = Domain("count", "poisson", (1,), "0, 1, 2, ...", finite=False, nonnegative=True, functions="lgamma")
INTEGER = Domain("integer", "table", (), "a..b", functions="any")
