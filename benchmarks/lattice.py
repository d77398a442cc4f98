"""What do sweeps of lattices and random graphs cost, beside their random numbers alone, NumPy, THRML and dwave-samplers?

32 chains; whole sweeps by colour (dwave-samplers: in order). dwave-samplers runs as two processes, half the chains each. The random
numbers alone are those of the same stream, one a unit, written into an array by the library's own kernel.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import by_numpy
import networkx as nx
import numpy as np
from dense import looped
from harness import Task, Work, table

import energydsl as ed
from energydsl.options import Backend

MODELS = Path(__file__).resolve().parents[1] / "models"
CHAINS = 32
FLOOR = "the random numbers alone"
GLASS = """graph G = random_regular(degree = 3, nodes = 4096, seed = 7)
visible s[4096] : spin
param J[G] = normal(sd = 1)
energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]
"""


def torus(side: int) -> tuple[ed.Model, nx.Graph[int]]:
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(side, side, periodic=True), ordering="sorted")
    return ed.load(MODELS / "ising.energy", {"L": side}), graph


def glass() -> tuple[ed.Model, nx.Graph[int]]:
    return ed.loads(GLASS), nx.random_regular_graph(3, 4096, seed=7)


def couplings(graph: nx.Graph[int], gaussian: bool) -> np.ndarray:
    count = graph.number_of_edges()
    return np.random.default_rng(0).normal(size=count) if gaussian else np.full(count, 0.4)


def ours(model: ed.Model, backend: Backend, sweeps: int) -> Work:
    program = model.compile(backend)
    params = program.init(0)
    x, settings, rng, parts = (
        program.init_state(params, CHAINS),
        program.engine.settings(),
        ed.Rng(0),
        program.engine.parts(),
    )
    return lambda: program.engine.sweep(params, x, settings, rng, parts, sweeps)


def thrml(graph: nx.Graph[int], gaussian: bool, sweeps: int) -> Work | None:
    """THRML's Ising model with its blocks by colour, compiled by JAX."""
    try:
        import jax
        import jax.numpy as jnp
        from thrml import Block, SamplingSchedule, SpinNode, sample_states
        from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init
    except ImportError:
        return None
    nodes = [SpinNode() for _ in graph]
    edges = [(nodes[a], nodes[b]) for a, b in graph.edges]
    weights = jnp.asarray(couplings(graph, gaussian), jnp.float32)
    model = IsingEBM(nodes, edges, jnp.zeros(len(nodes)), weights, jnp.array(1.0))
    colour = nx.greedy_color(graph, "DSATUR") if len(graph) < 10_000 else nx.bipartite.color(graph)
    blocks = [Block([nodes[v] for v in graph if colour[v] == c]) for c in range(max(colour.values()) + 1)]
    program = IsingSamplingProgram(model, blocks, clamped_blocks=[])
    state = hinton_init(jax.random.key(0), model, blocks, (CHAINS,))
    schedule = SamplingSchedule(n_warmup=sweeps - 1, n_samples=1, steps_per_sample=1)
    key = jax.random.split(jax.random.key(1), CHAINS)
    run = jax.jit(jax.vmap(lambda s, k: sample_states(k, program, schedule, s, [], [Block(nodes)])))
    return lambda: jax.block_until_ready(run(state, key))


def _dwave(edges: list[tuple[int, int]], weights: list[float], sweeps: int, reads: int, pipe: Any) -> None:
    import dimod
    from dwave.samplers import SimulatedAnnealingSampler

    bqm = dimod.BinaryQuadraticModel.from_ising({}, {e: -w for e, w in zip(edges, weights, strict=True)})
    sampler = SimulatedAnnealingSampler()
    with contextlib.suppress(EOFError):
        while pipe.recv():
            sampler.sample(
                bqm, num_reads=reads, beta_schedule_type="custom", beta_schedule=[1.0], num_sweeps=sweeps,
                num_sweeps_per_beta=sweeps, proposal_acceptance_criteria="Gibbs", seed=1,
            )  # fmt: skip
            pipe.send(True)


def dwave(graph: nx.Graph[int], gaussian: bool, sweeps: int) -> Work | None:
    try:
        import dwave.samplers  # noqa: F401
    except ImportError:
        return None
    context = mp.get_context("spawn")
    pipes = []
    for _ in range(2):
        here, there = context.Pipe()
        arguments = (list(graph.edges), couplings(graph, gaussian).tolist(), sweeps, CHAINS // 2, there)
        context.Process(target=_dwave, args=arguments, daemon=True).start()
        pipes.append(here)

    def run() -> None:
        for pipe in pipes:
            pipe.send(True)
        for pipe in pipes:
            pipe.recv()

    return run


def numbers_kept(model: ed.Model, sweeps: int) -> Work:
    """The uniform numbers of the sweeps by the same stream, into an array."""
    program = model.compile("numba")
    engine, rng = program.engine, ed.Rng(0)
    out = np.empty((CHAINS, sum(layer.size for layer in model.layers.values())), np.float32)

    def run() -> None:
        with engine.single_threaded_blas():
            for _ in range(sweeps):
                rng.next()
                engine.kernels.fill(rng, out)

    return run


def by_numpy_graph(graph: nx.Graph[int]) -> Work:
    """NumPy over the classes of a colouring, neighbours gathered; each unit has as many neighbours."""
    colour = nx.greedy_color(graph, "DSATUR")
    classes = [np.array([v for v in graph if colour[v] == c]) for c in range(max(colour.values()) + 1)]
    weight = {frozenset(edge): j for edge, j in zip(graph.edges, couplings(graph, True), strict=True)}
    beside = [np.array([list(graph[v]) for v in units]) for units in classes]
    found = [np.array([[weight[frozenset((v, w))] for w in graph[v]] for v in units]) for units in classes]
    return by_numpy.graph_sweep(beside, found, classes, CHAINS)


def tasks(backends: Sequence[Backend]) -> Iterator[Task]:
    """All rows: a sweep of all chains."""
    systems: tuple[tuple[str, Callable[[], tuple[ed.Model, nx.Graph[int]]], Callable[[Any], Work], bool, int], ...] = (
        ("64 x 64 torus", partial(torus, 64), lambda _: by_numpy.torus_sweep(64, CHAINS), False, 100),
        ("256 x 256 torus", partial(torus, 256), lambda _: by_numpy.torus_sweep(256, CHAINS), False, 20),
        ("random 3-regular glass, 4096 units", glass, by_numpy_graph, True, 100),
    )
    for name, make, in_numpy, gaussian, sweeps in systems:
        model, graph = make()
        few, fewer = max(1, sweeps // 5), max(1, sweeps // 20)
        counts = {b: sweeps if b != "numpy" else fewer for b in backends}
        makers: dict[str, Callable[[], Work | None]] = {
            FLOOR: partial(numbers_kept, model, few),
            **{f"energydsl {b}": partial(ours, model, b, counts[b]) for b in backends},
            "NumPy, tuned": partial(in_numpy, graph),
            "THRML": partial(thrml, graph, gaussian, few),
            "dwave-samplers, 2 processes": partial(dwave, graph, gaussian, few),
        }
        loops = {who: looped(m) for who, m in makers.items()}
        times = {
            FLOOR: few,
            **{f"energydsl {b}": n for b, n in counts.items()},
            "THRML": few,
            "dwave-samplers, 2 processes": few,
        }
        yield Task(f"{name}, {CHAINS} chains, a sweep", loops, FLOOR, times)


if __name__ == "__main__":
    print(table([row for task in tasks(("numba", "numpy")) for row in task.rows(5, 10.0)]))
