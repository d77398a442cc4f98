"""`import` and `use` written out: a model that several files make, as one that a single file could have."""

from energydsl.modules.whole import Whole as Whole
from energydsl.modules.whole import bindings as bindings
from energydsl.modules.whole import written_out as written_out
