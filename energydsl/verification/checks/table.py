"""Which identities are checked, in order, where all states are listed and where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from energydsl.verification.case import Case, Listed
from energydsl.verification.checks.blocks import listed_blocks, sampled_blocks
from energydsl.verification.checks.densities import densities
from energydsl.verification.checks.differences import listed_differences, sampled_differences
from energydsl.verification.checks.draws import draws
from energydsl.verification.checks.energies import energies
from energydsl.verification.checks.forms import forms
from energydsl.verification.checks.free_energy import free_energy
from energydsl.verification.checks.least import least
from energydsl.verification.checks.likelihood import likelihood
from energydsl.verification.checks.lines import lines
from energydsl.verification.checks.log_partition import log_partition
from energydsl.verification.checks.marginals import marginals
from energydsl.verification.checks.scores import scores
from energydsl.verification.checks.slopes import slopes
from energydsl.verification.checks.sweeps import sweeps
from energydsl.verification.records import Check

# Where all states are listed.
LISTED: tuple[Callable[[Listed], Iterator[Check]], ...] = (
    energies,
    listed_differences,
    listed_blocks,
    sweeps,
    forms,
    draws,
    log_partition,
    free_energy,
    marginals,
    densities,
    lines,
    slopes,
    scores,
    likelihood,
    least,
)
# Where there are too many, on some of them.
SAMPLED: tuple[Callable[[Case], Iterator[Check]], ...] = (
    energies,
    sampled_differences,
    sampled_blocks,
    marginals,
    forms,
    slopes,
    scores,
)
