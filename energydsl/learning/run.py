"""A run: a trained or stopped model, what it was trained on and how it went. Its folder is `run_folder.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energydsl.api import Model
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import NotApplicable
from energydsl.program import Program

if TYPE_CHECKING:
    from energydsl.report.run_page import RunFacts

Row = dict[str, Any]
Report = Callable[[Row], None]
Base = dict[str, tuple[Array, ...]]


@dataclass
class Run:
    """A trained (or stopped) model: parameters, the program they belong to, and how it went.

    params: float arrays by name, of the shapes declared, (I, J) for `W[I, J]`; the best where training ended early, averages over updates
    where these were asked for, else the last. last: the last ones, (I, J) again, where params are others. chains: the persistent ones by
    layer, (chains, *layer). kept: the update after which the best were; -1 where training did not end early. history: one dict a report, as
    in metrics.csv. base: natural parameters of the visible layers' base rates, from which AIS starts. finished: False where training was
    interrupted; signal: by which signal.
    warnings: what was found damaged in the folder, and what was taken instead; that training ended early, and that chains have not mixed or met.
    repeated: how many of the last updates were made again in one process, with the same bits.
    series: what the persistent chains showed at the last updates, by name, (records, chains) each: energies and projections of layers.
    """

    program: Program
    params: Arrays
    config: dict[str, Any]
    history: list[Row] = field(default_factory=list)
    base: Base = field(default_factory=dict)
    chains: Arrays = field(default_factory=dict)
    path: Path | None = None
    updates: int = 0
    seconds: float = 0.0
    finished: bool = False
    signal: int = 0
    warnings: tuple[str, ...] = ()
    last: Arrays = field(default_factory=dict)
    series: Arrays = field(default_factory=dict)
    kept: int = -1
    repeated: int = 0

    @property
    def evaluated(self) -> str:
        """What `params` are: "best" on the way, "average" over updates, or "last"."""
        if self.kept >= 0:
            return "best"
        return "average" if self.last else "last"

    def _repr_html_(self) -> str:
        from energydsl.report.run_page import short

        return short(self.facts)

    def __repr__(self) -> str:
        return f"<energydsl run of {self.program.model.name}: {self.updates} updates{f', in {self.path}' if self.path else ''}>"

    @property
    def facts(self) -> RunFacts:
        """What reports tell of it."""
        from energydsl.learning.labels import of_row
        from energydsl.report.run_page import RunFacts

        model, last = self.program.origin, self.history[-1] if self.history else {}
        assert isinstance(model, Model)
        return RunFacts(
            model.compiled,
            str(self.path or "memory"),
            self.config,
            self.history,
            of_row(self.program.engine, last),
            self.warnings,
            self.updates,
            self.seconds,
            self.finished,
            self.evaluated,
            {name: array.shape for name, array in self.params.items()},
        )

    def plot(self) -> Any:
        """The curves of training, a figure of matplotlib.

        Raises `EnergyError` where matplotlib is missing, `NotApplicable` where fewer than two reports were made.
        """
        from energydsl.learning.labels import of_row
        from energydsl.report.curves import curve_figure

        if len(self.history) < 2:
            raise NotApplicable("there are no curves of fewer than two reports: train for an epoch or more")
        return curve_figure(self.history, of_row(self.program.engine, self.history[-1]))

    def to_pandas(self) -> Any:
        """The reports of training as a table, by update. Raises `EnergyError` where pandas is missing."""
        from energydsl.learning.tables import history_table

        return history_table(self.history)

    def to_xarray(self) -> Any:
        """The parameters, over their axes, and the reports, over updates, as a data set. Raises `EnergyError` where xarray is missing."""
        from energydsl.learning.tables import run_set

        return run_set(self.history, self.params)

    def to_arviz(self) -> Any:
        """ArviZ data: `series` as draws of the chains in the group posterior, the last states of the chains in the group chains.

        Raises `EnergyError` where ArviZ is missing, `NotApplicable` where no chains persisted.
        """
        from energydsl.learning.arviz_data import of_run

        return of_run(self.series, self.chains)
