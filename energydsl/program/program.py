"""`Program`: a compiled model, ready to run. Parameters, clamps, beta, weights and consts are arguments of its methods.

Arrays are batch first. A state is a dict of all layers, inputs included; a categorical layer is one-hot over a last axis,
and integer codes are accepted wherever a state is. Arrays that come out are those of the backend: NumPy's, or CuPy's on
the device; arrays of the host are taken anywhere, and copied there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays, Fields
from energydsl.derive import Derived
from energydsl.diagnostics import ArgumentError, EnergyError, NotApplicable, whole_number
from energydsl.markup import element, html
from energydsl.model.records import Resolved
from energydsl.options import Backend, DType, Precision
from energydsl.program import elimination, exact, gradients
from energydsl.program.engine import MEAN_FIELD_ITERATIONS, Engine, MeanField, Progress
from energydsl.program.initialise import initial_params
from energydsl.program.samplers import Choice, transition
from energydsl.program.states import (
    by_layer,
    check_drawn,
    check_params,
    checked_state,
    no_density,
    random_state,
)
from energydsl.random import Rng, as_random, stream

Weights = Mapping[str, float] | None
Params = Mapping[str, Any]
State = Mapping[str, Any]


class Origin(Protocol):
    """What compiles to a program: a `Model`."""

    def compile(self, backend: Backend, dtype: DType, precision: Precision) -> Program:
        """The program again."""


class Program:
    """Callable kernels of one model for one backend and precision.

    engine: what the program stands on, for code that loops over checked arguments. origin: what compiles to it, from which
    a copy or an unpickled one is compiled again.

    params: arrays by name, each of the shape that the model declares, as (I, J) for `W[I, J]`. state, data, given: arrays by layer,
    (chains, *layer), the states of a categorical layer along one more axis or as numbers, (chains, *layer); of `given`, one value for all
    chains too, (*layer). weights: a number for each energy term, by its name. consts: a number for each constant.

    Wherever the energy E enters, `beta`, `weights` and `consts` are keyword arguments, by default those of the energy as it is
    written. What does not fit raises `ArgumentError`, `DataError` (E0401 a state, E0403 parameters).

    >>> import energydsl as ed
    >>> program = ed.zoo("rbm", {"I": 4, "J": 3}).compile("numpy", "float64")
    >>> params = program.init(seed=0)
    >>> state = program.init_state(params, batch=2, seed=1)
    >>> program.energy(params, state).shape
    (2,)
    >>> sorted(program.gibbs(params, state, steps=3, clamp={"v"}, rng=ed.Rng(0)))
    ['h', 'v']
    >>> bool(program.log_partition(params) > 0)
    True

    Threads may call one program at once, each with an `Rng` and states of its own; and so may forked processes, but on a GPU.
    """

    def __init__(self, engine: Engine, origin: Origin | None = None):
        self.engine = engine
        self.origin = origin

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise NotApplicable("a part of a program is not pickled or copied by itself, but with the whole")
        return _compiled, (self.origin, self.backend, self.dtype.name, self.precision)

    def __repr__(self) -> str:
        return f"<energydsl program of {self.model.name}: {self.backend} {self.dtype.name}>"

    def _repr_html_(self) -> str:
        source = element("details", element("summary", "source"), element("pre", self.source))
        return html(
            element(
                "div", element("strong", f"program of {self.model.name}"), f": {self.backend} {self.dtype.name}", source
            )
        )

    @property
    def model(self) -> Resolved:
        """The model: layers, parameters, constants."""
        return self.engine.model

    @property
    def derived(self) -> Derived:
        """Everything that was derived from the energy."""
        return self.engine.derived

    @property
    def backend(self) -> Backend:
        """The backend: "numpy", "numba" or "cupy"."""
        return self.engine.backend

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of all arrays: float32 or float64."""
        return self.engine.dtype

    @property
    def precision(self) -> Precision:
        """The precision of large products on a GPU."""
        return self.engine.precision

    @property
    def source(self) -> str:
        """The generated kernels, as text."""
        return self.engine.source

    # --- parameters and states

    def init(self, seed: int = 0, data: Mapping[str, Any] | Any = None, row_weights: Array | None = None) -> Arrays:
        """Initial parameters by their initialisers, constraints applied.

        data: visible layers, (rows, *layer), for base rates. row_weights: (rows,), how much each row of these counts; None: all alike.
        """
        return initial_params(self.engine, whole_number("seed", seed), data, row_weights)

    def init_state(self, params: Params, batch: int, seed: int = 0, given: State | None = None) -> Arrays:
        """A random state: units independent, without regard to the energy; layers in `given` (inputs!) are kept."""
        if batch < 1:
            raise ArgumentError("a state has one row or more")
        return random_state(self.engine, batch, Rng(stream(seed, "initial state")), given)

    # --- energies

    def energy(
        self, params: Params, state: State, *, beta: float = 1.0, weights: Weights = None, consts: Weights = None
    ) -> Array:
        """E(x), shape (chains,): the energy itself, not times beta."""
        p, x = check_params(self.engine, params), checked_state(self.engine, state, self.model.layers)
        return self.engine.energy(p, x, self.engine.settings(beta, weights, consts))

    def free_energy(
        self, params: Params, state: State, *, beta: float = 1.0, weights: Weights = None, consts: Weights = None
    ) -> Array:
        """F = -log sum over the summed-out layers of exp(-beta E), shape (chains,); takes all other layers."""
        out = self.derived.free_energy.summed_out
        x = checked_state(self.engine, state, [n for n in self.model.layers if n not in out])
        return self.engine.free_energy(
            check_params(self.engine, params), x, self.engine.settings(beta, weights, consts)
        )

    def energy_gradient(
        self, params: Params, state: State, *, beta: float = 1.0, weights: Weights = None, consts: Weights = None
    ) -> Arrays:
        """Batch mean of G with dE = sum(G * dparam) for every change that the constraints admit, by parameter."""
        p, x = check_params(self.engine, params), checked_state(self.engine, state, self.model.layers)
        return self.engine.energy_gradient(p, x, self.engine.settings(beta, weights, consts))

    def score(
        self,
        params: Params,
        state: State,
        layers: Iterable[str] | None = None,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Arrays:
        """d log p/dx = -beta dE/dx by layer, (chains, *layer): what `jax.grad` of a log density, or Stan, would give.

        layers: which, by default all random ones. Entries of a finite layer count as real numbers, in the energy as it is
        folded (x^2 = x for 0 and 1): where a unit stands in no function of several, its slope times a step is the difference.
        Raises `NotApplicable` for a model with directed parts.

        >>> import energydsl as ed
        >>> program = ed.loads("visible x[2] : real energy = 0.5 * sum(x^2)").compile("numpy", "float64")
        >>> program.score({}, {"x": [[1.0, 2.0]]})["x"]
        array([[-1., -2.]])
        """
        engine = self.engine
        if engine.core is not engine:
            raise NotApplicable("the score is of undirected models: conditional parts of a model are normalised apart")
        names = list(self.model.random_layers()) if layers is None else list(layers)
        for name in names:
            engine.check_random(name)
        p, s = check_params(engine, params), engine.settings(beta, weights, consts)
        found = gradients.score(engine, p, checked_state(engine, state, self.model.layers), s, names)
        return {n: engine.xp.array(a) for n, a in found.items()}

    def log_partition(
        self,
        params: Params,
        given: State | None = None,
        progress: Progress | None = None,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> float | Array:
        """Exact log Z(beta), by enumerating the cheapest side; `given`: the input layers, one value or many.

        With directed parts, that of the core: the parts below it are normalised. progress: takes the fraction done.
        Raises `TooLarge` with the cost, `NotApplicable` where a layer can be neither summed out nor enumerated, and
        `NotNormalisable` where Z is infinite.
        """
        return exact.log_partition(self.engine, params, given, progress, beta=beta, weights=weights, consts=consts)

    def marginals(
        self,
        params: Params,
        given: State | None = None,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Arrays:
        """p(value | given) of every unit of the layers that are not given, exactly, by layer: (rows, *layer, values).

        By elimination, so where these layers are finite and their units form a tree, a chain or a narrow strip. Raises
        `NotApplicable` with the reason where they do not.

        >>> import energydsl as ed
        >>> text = "visible s[30] : spin energy = - sum[i in range(29)] s[i]*s[i + 1] - s[0]"
        >>> program = ed.loads(text).compile("numpy", "float64")
        >>> program.marginals({})["s"][0, 0].round(4)
        array([0.1192, 0.8808])
        """
        engine, held = self.engine, {} if given is None else by_layer(given, ())
        layers = [n for n in self.model.random_layers() if n not in held]
        plan = "it has directed parts" if engine.core is not engine else elimination.planned(self.derived, layers)
        if isinstance(plan, str):
            raise NotApplicable(f"exact marginals do not fit this model: {plan}")
        needed = [n for n in self.model.layers if n not in layers]
        x = checked_state(engine, held, needed) if needed else {}
        p, s = check_params(engine, params), engine.settings(beta, weights, consts)
        return elimination.marginals(engine.core, plan, p, x, s)

    def mean_field(
        self,
        params: Params,
        data: State,
        tolerance: float = 1e-6,
        max_iterations: int = MEAN_FIELD_ITERATIONS,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> MeanField:
        """Fully factorised approximation of p(latents | data), and the bound on log p~(data) it gives.

        Raises `NotApplicable` for directed parts, without latents, and where units enter by more than x and x^2.
        """
        engine, hidden = self.engine, self.model.by_role("hidden")
        p, s = check_params(engine, params), engine.settings(beta, weights, consts)
        x = checked_state(engine, data, [n for n in self.model.layers if n not in hidden]) if hidden else {}
        return engine.mean_field(p, x, s, tolerance, max_iterations)

    # --- conditionals and draws

    def natural_parameters(
        self,
        params: Params,
        state: State,
        layer: str,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Fields:
        """beta times the fields of a layer, one array a statistic, each (chains, *layer), in the part that draws it."""
        self.engine.check_conditional(layer)
        owner = self.engine.owner(layer)
        p = check_params(self.engine, params)
        needed = [n for n in owner.model.layers if n != layer or not owner.derived.conditionals[layer].factorises]
        x = checked_state(owner, self._own(owner, state), needed)
        return owner.fields({n: p[n] for n in owner.model.params}, x, layer, owner.settings(beta, weights, consts))

    def mean(
        self,
        params: Params,
        state: State,
        layer: str,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Array:
        """Conditional mean of each unit of a layer given all other units; shape (chains, *layer).

        Raises `EnergyError` where the conditional is no density at these parameters.
        """
        eta = self.natural_parameters(params, state, layer, beta=beta, weights=weights, consts=consts)
        return self._of_units(layer, eta, self.engine.owner(layer).kernels.layers[layer].mean(*eta))

    def variance(
        self,
        params: Params,
        state: State,
        layer: str,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Array:
        """Conditional variance of each unit of a layer given all other units; shape (chains, *layer).

        Raises `EnergyError` where the conditional is no density at these parameters.
        """
        eta = self.natural_parameters(params, state, layer, beta=beta, weights=weights, consts=consts)
        return self._of_units(layer, eta, self.engine.owner(layer).kernels.layers[layer].variance(*eta))

    def _of_units(self, layer: str, eta: Fields, found: Array) -> Array:
        """An array of its own over all units. Raises `EnergyError` where there is no density."""
        engine = self.engine
        if not engine.all(~engine.xp.isnan(found)):
            raise EnergyError(no_density(engine, layer))
        shape = (len(eta[0]), *self.model.layers[layer].energy_shape)
        return engine.xp.array(engine.xp.broadcast_to(found, shape))  # type: ignore[no-any-return]

    def _own(self, owner: Engine, state: State) -> State:
        """A state without the layers that a part of the model does not have."""
        given, others = by_layer(state, ()), self.model.layers.keys() - owner.model.layers.keys()
        copies = self.engine.copies(owner)
        for name in copies.values():
            if name not in given:
                raise ArgumentError(
                    f"the state has no layer `{name}`: each of its units is drawn given those before it"
                )
        return {n: a for n, a in given.items() if n not in others} | {new: given[old] for new, old in copies.items()}

    def sample(
        self,
        params: Params,
        state: State,
        layer: str,
        rng: Rng | np.random.Generator,
        *,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Array:
        """A draw of a layer given the others, in its own blocks; shape (chains, *layer)."""
        self.engine.check_conditional(layer)
        owner = self.engine.owner(layer)
        p, s = check_params(self.engine, params), owner.settings(beta, weights, consts)
        copies = self.engine.copies(owner)
        coupled = bool(copies) or not owner.derived.conditionals[layer].factorises
        x = checked_state(owner, self._own(owner, state), [n for n in owner.model.layers if n != layer or coupled])
        shape = (len(next(iter(x.values()))), *owner.model.layers[layer].energy_shape)
        x[layer] = owner.xp.array(x[layer]) if coupled else owner.xp.empty(shape, owner.dtype)
        x |= dict.fromkeys(copies, x[layer])
        owner.draw_layer({n: p[n] for n in owner.model.params}, x, s, layer, as_random(rng))
        check_drawn(owner, x)
        return x[layer]

    def gibbs(
        self,
        params: Params,
        state: State,
        steps: int = 1,
        clamp: Iterable[str] = (),
        rng: Rng | np.random.Generator | None = None,
        *,
        sampler: Choice = defaults.SAMPLER,
        beta: float = 1.0,
        weights: Weights = None,
        consts: Weights = None,
    ) -> Arrays:
        """A new state after `steps` sweeps; layers in `clamp`, and inputs, are held.

        rng: an `Rng`, or a generator of NumPy's; it goes on from call to call, so make it once, before a loop. sampler: how chains
        are moved, "auto" by Gibbs blocks where these fit; one that adapts does so in the first half of the steps.
        """
        engine = self.engine
        p, s = check_params(engine, params), engine.settings(beta, weights, consts)
        move = transition(engine, sampler, clamp)
        x = {n: engine.xp.array(a) for n, a in checked_state(engine, state, self.model.layers).items()}
        move.run(p, x, s, as_random(rng), steps)
        check_drawn(engine, x)
        return x


def _compiled(model: Origin, backend: Backend, dtype: DType, precision: Precision) -> Program:
    """A program from the pickled form of one."""
    return model.compile(backend, dtype, precision)
