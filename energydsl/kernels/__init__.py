"""Derived model to array programs: `lower` makes contractions, `select` finds matrix products, `verify` checks them."""

from energydsl.kernels.lower import lower as lower
from energydsl.kernels.program import KernelProgram as KernelProgram
from energydsl.kernels.select import select as select
from energydsl.kernels.verify import verify as verify
