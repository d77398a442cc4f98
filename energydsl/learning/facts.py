"""What a run reached and what new chains of it show, as the records that reports take."""

from __future__ import annotations

from energydsl.diagnostics import EnergyError
from energydsl.learning.evaluations import read_evaluations
from energydsl.learning.mixing import by_series, columns, unmixed
from energydsl.learning.pictures import sheet_of
from energydsl.learning.run import Run
from energydsl.learning.sampling import chains, visible_series
from energydsl.report.run_page import Judged, Sampled
from energydsl.report.sheets import TILES, filter_sheet

# New chains of a report: sweeps before the first draw, draws of each, sweeps between them.
_SWEEPS, _DRAWS, _EVERY = 200, 50, 4


def judged(run: Run) -> Judged:
    """What was found of a run: its evaluations, and what its chains showed at the last report that tells."""
    kept = read_evaluations(run.path) if run.path is not None else ()
    told = next((found for row in reversed(run.history) if (found := by_series(row))), {})
    return Judged(kept, told, filter_sheet(run.program.derived, run.params))


def new_chains(run: Run, seed: int) -> Sampled:
    """Samples of a run, whether the chains that drew them mix, and pictures of them; in words why there are none."""
    if inputs := run.program.model.by_role("input"):
        return Sampled(f"None were drawn: {', '.join(inputs)} would have to be given a value.", {})
    try:
        drawn = chains(run, TILES, _SWEEPS, None, seed, draws=_DRAWS, every=_EVERY)
    except EnergyError as error:
        return Sampled(f"None could be drawn: {error}", {})
    mixed = columns(drawn.energies | visible_series(run, drawn), _EVERY)
    how = f"{TILES} chains, {_DRAWS} draws of each after {_SWEEPS} sweeps, one every {_EVERY} sweeps, seed {seed}."
    return Sampled(how, by_series(mixed), unmixed(mixed), sheet_of(run, drawn.last))
