"""The state of least energy: one file a method, a table of them in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from energydsl.inference.least.elimination import Elimination
from energydsl.inference.least.enumeration import Enumeration
from energydsl.inference.least.linear_algebra import LinearAlgebra
from energydsl.inference.least.minimum_cut import MinimumCut
from energydsl.inference.least.record import Least as Least
from energydsl.inference.least.record import Method as Method
from energydsl.inference.least.record import Problem as Problem
from energydsl.inference.least.search import Search

TABLE: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in (LinearAlgebra(), Elimination(), Enumeration(), MinimumCut(), Search())}
)
