"""Derived model to array programs: `lower` makes contractions, `dense` those of dense graphs, `select` finds products, `verify` checks them."""

from energydsl.kernels.choices import Choices as Choices
from energydsl.kernels.choices import choices_of as choices_of
from energydsl.kernels.choices import kernels_of as kernels_of
from energydsl.kernels.lower import lower as lower
from energydsl.kernels.program import KernelProgram as KernelProgram
from energydsl.kernels.select import select as select
from energydsl.kernels.verify import verify as verify
