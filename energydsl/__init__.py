"""energydsl: write one energy, get the conditionals, samplers, gradients and likelihoods that follow from it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from energydsl.api import Model as Model
    from energydsl.api import load as load
    from energydsl.api import loads as loads
    from energydsl.api import zoo as zoo
    from energydsl.data.sources import load_data as load_data
    from energydsl.data.spikes import binned as binned
    from energydsl.data.streamed import load_streamed as load_streamed
    from energydsl.diagnostics import ArgumentError as ArgumentError
    from energydsl.diagnostics import DataError as DataError
    from energydsl.diagnostics import Diagnostic as Diagnostic
    from energydsl.diagnostics import EnergyError as EnergyError
    from energydsl.diagnostics import EstimateError as EstimateError
    from energydsl.diagnostics import ModelError as ModelError
    from energydsl.diagnostics import NotApplicable as NotApplicable
    from energydsl.diagnostics import NotNormalisable as NotNormalisable
    from energydsl.diagnostics import TooLarge as TooLarge
    from energydsl.diagnostics import TrainingError as TrainingError
    from energydsl.inference.binary_quadratic import from_bqm as from_bqm
    from energydsl.inference.binary_quadratic import from_qubo as from_qubo
    from energydsl.inference.binary_quadratic import to_bqm as to_bqm
    from energydsl.inference.binary_quadratic import to_qubo as to_qubo
    from energydsl.inference.bipartite import from_bernoulli_rbm as from_bernoulli_rbm
    from energydsl.inference.bipartite import to_bernoulli_rbm as to_bernoulli_rbm
    from energydsl.inference.bipartite import to_torch as to_torch
    from energydsl.inference.contacts import Contacts as Contacts
    from energydsl.inference.contacts import contacts as contacts
    from energydsl.inference.evaluate import evaluate as evaluate
    from energydsl.inference.map_state import MapState as MapState
    from energydsl.inference.map_state import map_state as map_state
    from energydsl.inference.memory import recall as recall
    from energydsl.inference.memory import store as store
    from energydsl.inference.mutants import Mutants as Mutants
    from energydsl.inference.mutants import mutants as mutants
    from energydsl.inference.predict import predict as predict
    from energydsl.inference.retrospect import retrospect as retrospect
    from energydsl.learning.greedy import Greedy as Greedy
    from energydsl.learning.methods import CD as CD
    from energydsl.learning.methods import MCMC as MCMC
    from energydsl.learning.methods import PCD as PCD
    from energydsl.learning.methods import CompositeLikelihood as CompositeLikelihood
    from energydsl.learning.methods import DenoisingScoreMatching as DenoisingScoreMatching
    from energydsl.learning.methods import Exact as Exact
    from energydsl.learning.methods import FastPCD as FastPCD
    from energydsl.learning.methods import MinimumProbabilityFlow as MinimumProbabilityFlow
    from energydsl.learning.methods import NoiseContrastive as NoiseContrastive
    from energydsl.learning.methods import ParallelTempering as ParallelTempering
    from energydsl.learning.methods import PseudoLikelihood as PseudoLikelihood
    from energydsl.learning.methods import RatioMatching as RatioMatching
    from energydsl.learning.methods import ScoreMatching as ScoreMatching
    from energydsl.learning.methods import TrajectoryTempering as TrajectoryTempering
    from energydsl.learning.methods import UnbiasedCD as UnbiasedCD
    from energydsl.learning.methods import WakeSleep as WakeSleep
    from energydsl.learning.optimizer import SGD as SGD
    from energydsl.learning.optimizer import Adam as Adam
    from energydsl.learning.optimizer import Natural as Natural
    from energydsl.learning.optimizer import NaturalFactored as NaturalFactored
    from energydsl.learning.optimizer import Spectral as Spectral
    from energydsl.learning.run import Run as Run
    from energydsl.learning.run_folder import open_run as open_run
    from energydsl.learning.sampling import sample as sample
    from energydsl.learning.train import train as train
    from energydsl.program.program import Program as Program
    from energydsl.random import Rng as Rng
    from energydsl.random import Uniforms as Uniforms
    from energydsl.verification.records import Certificate

from energydsl.version import __version__ as __version__

_WHERE = {
    "api": ("Model", "load", "loads", "zoo"),
    "diagnostics": (
        "ArgumentError",
        "DataError",
        "Diagnostic",
        "EnergyError",
        "EstimateError",
        "ModelError",
        "NotApplicable",
        "NotNormalisable",
        "TooLarge",
        "TrainingError",
    ),
    "data.sources": ("load_data",),
    "data.spikes": ("binned",),
    "data.streamed": ("load_streamed",),
    "inference.binary_quadratic": ("from_bqm", "from_qubo", "to_bqm", "to_qubo"),
    "inference.bipartite": ("from_bernoulli_rbm", "to_bernoulli_rbm", "to_torch"),
    "inference.contacts": ("Contacts", "contacts"),
    "inference.evaluate": ("evaluate",),
    "inference.map_state": ("MapState", "map_state"),
    "inference.memory": ("recall", "store"),
    "inference.mutants": ("Mutants", "mutants"),
    "inference.predict": ("predict",),
    "inference.retrospect": ("retrospect",),
    "learning.run": ("Run",),
    "learning.run_folder": ("open_run",),
    "learning.train": ("train",),
    "learning.greedy": ("Greedy",),
    "learning.methods": (
        "CD",
        "CompositeLikelihood",
        "DenoisingScoreMatching",
        "Exact",
        "FastPCD",
        "MCMC",
        "MinimumProbabilityFlow",
        "NoiseContrastive",
        "PCD",
        "ParallelTempering",
        "TrajectoryTempering",
        "PseudoLikelihood",
        "RatioMatching",
        "ScoreMatching",
        "UnbiasedCD",
        "WakeSleep",
    ),
    "learning.optimizer": ("SGD", "Adam", "Natural", "NaturalFactored", "Spectral"),
    "learning.sampling": ("sample",),
    "program.program": ("Program",),
    "random": ("Rng", "Uniforms"),
}
_HOME = {name: module for module, names in _WHERE.items() for name in names}
__all__ = [*_HOME, "verify"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"energydsl.{_HOME[name]}"), name)
    if name == "sklearn":
        return import_module("energydsl.sklearn")
    raise AttributeError(f"module energydsl has no attribute {name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext energydsl` does: cells that begin with `%%energy NAME` are models."""
    from energydsl.notebook import load

    load(shell)


def verify(model: Model) -> Certificate:
    """The derivation certificate of a model, with NumPy's kernels; `Model.verify` takes a seed and a backend."""
    return model.verify()
