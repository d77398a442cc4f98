"""Samples: Gibbs chains from the persistent chains of a run, or from random states; of a program too, that was not trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.arrays import as_numbers
from energydsl.backends.interface import Arrays
from energydsl.diagnostics import ArgumentError, DataError, a_kind
from energydsl.domains import DOMAINS
from energydsl.learning.checkpoint_arrays import part as part_of
from energydsl.learning.run import Run
from energydsl.learning.series import energies, projections
from energydsl.learning.start import check_start
from energydsl.learning.states import outside
from energydsl.model.records import Layer
from energydsl.program import Engine, Program
from energydsl.program.samplers import Choice, transition
from energydsl.program.states import check_drawn, check_params, initialise_missing, random_state
from energydsl.progress import watched
from energydsl.random import Rng, stream
from energydsl.ranks import WHOLE, Shards, asked_for, in_shards
from energydsl.report import sheets
from energydsl.report.curves import spread

Array = NDArray[Any]


class Samples(dict[str, Array]):
    """Samples by layer, (n, *layer), or (n, draws, *layer) where several draws of each chain are kept.

    energies: of every sample, (n, draws), and of each term where there are several. several: whether there are several draws a chain.
    pictured: the layer whose draws are pictures, where there is one.
    """

    def __init__(
        self,
        layers: Mapping[str, Array],
        energies: Mapping[str, Array],
        several: bool,
        pictured: Layer | None = None,
    ):
        super().__init__(layers)
        self.energies, self.several, self.pictured = dict(energies), several, pictured

    def __reduce__(self) -> tuple[Any, ...]:
        return Samples, (dict(self), self.energies, self.several, self.pictured)

    def _repr_html_(self) -> str:
        return sheets.short(self, self._sheet)

    @property
    def _sheet(self) -> sheets.Sheet | None:
        """The last draws of a layer as pictures, where they are some."""
        return sheets.draws_sheet(self.pictured, self.by_draw[self.pictured.name][:, -1]) if self.pictured else None

    @property
    def by_draw(self) -> dict[str, Array]:
        """The layers as (n, draws, *layer), of one draw too."""
        return dict(self) if self.several else {n: a[:, None] for n, a in self.items()}

    def plot(self) -> Any:
        """A figure of matplotlib: the last draws as pictures where a visible layer is one, else how the energies are spread.

        Raises `EnergyError` where matplotlib is missing.
        """
        return sheets.sheet_figure(self._sheet) if self._sheet else spread(self.energies)

    def to_pandas(self) -> Any:
        """A row a draw, by chain and draw; a column a unit and one an energy. Raises `EnergyError` where pandas is missing."""
        from energydsl.learning.tables import sample_table

        return sample_table(self.by_draw, self.energies, self.several)

    def to_xarray(self) -> Any:
        """A data set: layers and energies over chain, draw and the axes of a layer. Raises `EnergyError` where xarray is missing."""
        from energydsl.learning.tables import sample_set

        return sample_set(self.by_draw, self.energies)

    def to_arviz(self) -> Any:
        """ArviZ data with a group posterior: the energies and the layers, chains and draws first.

        Raises `EnergyError` where ArviZ is missing.
        """
        from energydsl.learning.arviz_data import of_samples

        return of_samples(self.by_draw, self.energies)


@dataclass(frozen=True)
class Drawn:
    """What chains drew. states: by layer, (n, draws, *layer), categorical layers one-hot; energies: as `Samples.energies`."""

    states: Arrays
    energies: Arrays

    @property
    def last(self) -> Arrays:
        """The last draw of each chain, (n, *layer)."""
        return {n: a[:, -1] for n, a in self.states.items()}

    def samples(self, run: Run) -> Samples:
        """For the user: categorical layers as integer codes."""
        several = next(iter(self.states.values())).shape[1] > 1
        model = run.program.model
        layer = model.layers[name] if (name := sheets.pictured(model)) else None
        return Samples(codes(run, self.states if several else self.last), self.energies, several, layer)


_STATE, _ENERGY = "state/", "energy/"
# Sweeps between reports of progress.
_AT_ONCE = 20


def sample(
    run: Run | Program,
    n: int = defaults.SAMPLES,
    steps: int = defaults.SAMPLE_SWEEPS,
    clamp: Mapping[str, Any] | None = None,
    seed: int = defaults.SEED,
    progress: bool | Callable[[float], None] | None = None,
    params: Mapping[str, Any] | None = None,
    sampler: Choice = defaults.SAMPLER,
    draws: int = defaults.DRAWS,
    every: int = defaults.SWEEPS,
    shards: int | Literal["auto"] | None = None,
) -> Samples:
    """`n` states after `steps` sweeps, by layer; categorical layers as integer codes.

    draws: how many states are kept of each of `n` chains, from there on one every `every` sweeps; arrays are (n, *layer) for one, else
    (n, draws, *layer).

    run: or a program, from whose random states chains begin; params: its parameters, of the shapes declared, (I, J) for `W[I, J]`; by its
    initialisers where not given. clamp: values of layers that are held, one for all samples, (*layer), or one each, (n, *layer) (input
    layers must be given here); NaN where an
    entry is missing: it is drawn with the rest, given what is known. sampler: how chains are moved, "auto" by Gibbs blocks where
    these fit; one that adapts does so in the first half of the steps. progress: called with the fraction done; True shows it. shards: into how many pieces chains are cut for MPI ranks to share, as for
    `train`; each adapts by itself, and samples are the same for any number of ranks. Raises `ArgumentError` for arguments out of range, and
    `DataError` for values that do not fit their layer.

    >>> import energydsl as ed
    >>> program = ed.zoo("ising", dims={"L": 4}).compile("numpy")
    >>> ed.sample(program, n=2, steps=5)["s"].shape
    (2, 4, 4)
    >>> ed.sample(program, n=2, steps=5, draws=3, every=10)["s"].shape
    (2, 3, 4, 4)
    """
    if n < 1 or steps < 0:
        raise ArgumentError("n is at least 1, steps not negative")
    if draws < 1 or every < 1:
        raise ArgumentError("draws and every are at least 1")
    run = as_run(run, params, seed)
    pieces = asked_for(shards)
    with pieces.team.together(), watched("sampling", progress, pieces.team.first) as bar:
        return chains(run, n, steps, clamp, seed, bar, sampler, draws, every, pieces).samples(run)


def as_run(run: Run | Program, params: Mapping[str, Any] | None, seed: int) -> Run:
    """A run as it is; a program with parameters as a run that has not begun."""
    if isinstance(run, Program):
        found = run.init(seed) if params is None else check_params(run.engine, params)
        return Run(run, {n: np.array(run.engine.host(a)) for n, a in found.items()}, {})
    if not isinstance(run, Run):
        raise ArgumentError(f"samples are of a run or of a program, model.compile(), not of {a_kind(run)}")
    if params is not None:
        raise ArgumentError("a run has its own params: others belong to a program")
    return run


def chains(
    run: Run,
    n: int,
    steps: int,
    clamp: Mapping[str, Any] | None = None,
    seed: int = defaults.SEED,
    progress: Callable[[float], None] | None = None,
    sampler: Choice = defaults.SAMPLER,
    draws: int = defaults.DRAWS,
    every: int = defaults.SWEEPS,
    shards: Shards = WHOLE,
) -> Drawn:
    """As `sample`, with categorical layers one-hot."""
    program, params = run.program.engine, check_params(run.program.engine, run.params)
    state, held, keep = _begun(run, params, n, clamp or {}, seed)
    rng, settings = Rng(stream(seed, "samples")), program.settings()
    total = steps + every * (draws - 1)

    def walked(part: slice, progress: Callable[[float], None] | None) -> Arrays:
        own, known = ({name: a[part] for name, a in some.items()} for some in (state, keep))
        move = transition(program, sampler, [name for name in held if name not in keep])
        for done in range(0, steps, _AT_ONCE):
            if 2 * done >= steps:
                move.settle()
            move.sweep(params, own, settings, rng, min(_AT_ONCE, steps - done), None, known)
            if progress is not None:
                progress(done / total)
        move.settle()
        seen = [_seen(program, params, own)]
        for number in range(1, draws):
            move.sweep(params, own, settings, rng, every, None, known)
            seen.append(_seen(program, params, own))
            if progress is not None:
                progress((steps + every * number) / total)
        return {name: np.stack([one[name] for one in seen], axis=1) for name in seen[0]}

    with shards.one_thread():
        found = in_shards(shards, rng, n, walked, progress)
    return Drawn(part_of(found, _STATE), part_of(found, _ENERGY))


def _begun(run: Run, params: Arrays, n: int, clamp: Mapping[str, Any], seed: int) -> tuple[Arrays, Arrays, Arrays]:
    """Where chains begin; the values of layers that are held, and which of their entries are known, where not all are."""
    program, keep = run.program.engine, {}
    held: Arrays = {}
    fill = Rng(stream(seed, "missing entries of clamped values"))
    for name, value in clamp.items():
        values, known = clamped_values(run, name, value, n, fill)
        held[name] = values
        if known is not None:
            keep[name] = program.xp.array(program.xp.broadcast_to(known, (n, *values.shape[1:])))
    for name in program.model.by_role("input"):
        if name not in held:
            raise ArgumentError(f"`{name}` is an input: give it a value, clamp={{'{name}': ...}}")
    state = random_state(program, n, Rng(stream(seed, "initial state")), held)
    inputs = {name: state[name] for name in program.model.by_role("input")}
    check_start(program, params, inputs, Rng(stream(seed, "look at the start")), gradients=False)
    for name, array in run.chains.items():
        if name not in held and len(array):
            program.kernels.load(state[name], array[np.arange(n) % len(array)])
    return state, held, keep


def _seen(program: Engine, params: Arrays, state: Arrays) -> Arrays:
    """States, and what is said of their energies, on the host, by name. Raises `EnergyError` where a unit has no finite value."""
    check_drawn(program, state)
    shown = energies(program, params, state)
    named = {f"{_STATE}{n}": a for n, a in state.items()} | {f"{_ENERGY}{n}": a for n, a in shown.items()}
    return {n: np.array(program.host(a)) for n, a in named.items()}


def clamped_values(run: Run, name: str, value: Any, n: int, fill: Rng) -> tuple[Array, Array | None]:
    """Values of a layer, missing ones drawn at random; and which entries are known, where not all are."""
    if name not in run.program.model.layers:
        raise ArgumentError(f"there is no layer `{name}` to clamp")
    layer = run.program.model.layers[name]
    array = as_numbers(value, name)
    if np.isnan(array).all():
        raise DataError.of(
            f"no value of `{name}` is known, so nothing is held", "leave the layer out: it is drawn then"
        )
    if array.ndim == 0:
        array = np.full((1, *layer.shape), array)
    if array.shape == layer.shape and array.shape:
        array = array[None]
    domain = DOMAINS[layer.domain.name]
    if domain.two_valued and np.isin(array[~np.isnan(array)], (0, 1)).all():
        array = domain.from_bits(array)
    wrong = outside(layer, array)
    if wrong.any():
        raise ArgumentError(f"`{name}` is held at {array[wrong].flat[0]:g}, which is not in {layer.domain}")
    values, known = initialise_missing(run.program.engine, {name: array}, fill)
    if len(values[name]) not in (1, n):
        raise ArgumentError(f"{len(values[name])} values of `{name}` for {n} samples")
    if name in known and layer.role == "input":
        raise ArgumentError(f"`{name}` is an input: it is never drawn, so no entry of it may be missing")
    return values[name], known.get(name)


def rows_of(run: Run, clamp: Mapping[str, Any]) -> int | None:
    """How many samples clamped values are for, where they are for more than one."""
    layers = run.program.model.layers
    shapes = {n: np.shape(v) for n, v in clamp.items() if n in layers}
    rows = [s[0] for n, s in shapes.items() if s and s != layers[n].shape]
    return max((r for r in rows if r > 1), default=None)


def codes(run: Run, state: Arrays) -> Arrays:
    """The state with categorical layers as integer codes."""
    layers = run.program.model.layers
    return {
        n: a.argmax(axis=-1) if DOMAINS[layers[n].domain.name].one_hot else a for n, a in state.items() if n in layers
    }


def visible_series(run: Run, drawn: Drawn) -> Arrays:
    """Random projections of the visible layers, by name, (n, draws) each."""
    found: Arrays = {}
    for name, directions in projections(run.program.engine, defaults.SEED).items():
        states = drawn.states[name]
        each = states.reshape(*states.shape[:2], -1).astype(np.float64) @ directions
        found |= {f"projection_{name}.{k}": each[..., k] for k in range(directions.shape[1])}
    return found


def visible_means(run: Run, state: Arrays) -> Arrays:
    """Conditional means of the visible layers: smoother pictures than samples."""
    return {
        n: run.program.engine.host(run.program.mean(run.params, state, n)) for n in run.program.model.by_role("visible")
    }
