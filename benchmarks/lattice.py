"""How many unit updates a nanosecond on lattices and random graphs, beside THRML and dwave-samplers?

32 chains; whole sweeps by colour (dwave-samplers: in order). dwave-samplers runs as two processes, half the chains each.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from harness import Row, Work, medians

import energydsl as ed
from energydsl.options import Backend

MODELS = Path(__file__).resolve().parents[1] / "models"
CHAINS = 32
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


def rows(backends: tuple[Backend, ...], seconds: float) -> list[Row]:
    found: list[Row] = []
    systems: dict[str, tuple[Callable[[], tuple[ed.Model, nx.Graph[int]]], bool, int]] = {
        "64 x 64 torus": (lambda: torus(64), False, 100),
        "256 x 256 torus": (lambda: torus(256), False, 50),
        "random 3-regular glass, 4096 units": (glass, True, 100),
    }
    for name, (make, gaussian, sweeps) in systems.items():
        model, graph = make()
        few = max(1, sweeps // 10)
        work: dict[str, tuple[Work | None, int]] = {
            **{f"energydsl {b}": (ours(model, b, sweeps if b != "numpy" else few), sweeps if b != "numpy" else few) for b in backends},
            "THRML": (thrml(graph, gaussian, sweeps), sweeps),
            "dwave-samplers, 2 processes": (dwave(graph, gaussian, 10 * few), 10 * few),
        }  # fmt: skip
        time.sleep(3)
        times = medians({n: w for n, (w, _) in work.items() if w is not None}, rounds=3, seconds=seconds)
        for who, taken in times.items():
            updates = CHAINS * len(graph) * work[who][1]
            found.append(Row(f"{name}, 32 chains", who, taken, updates / taken / 1e9, "updates/ns"))
    return found


if __name__ == "__main__":
    from harness import table

    print(table(rows(("numba", "numpy"), 0.5)))
