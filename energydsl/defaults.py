"""What is taken where nothing is said: one table for Python, scikit-learn and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from energydsl.options import Backend, DType, Precision, SamplerName

EPOCHS = 20
BATCH = 100
# Pieces into which rows and chains are cut where several ranks run.
SHARDS = 8
# Rows held out, where there are as many as `TELLING_ROWS` or more.
VALIDATION, TELLING_ROWS = 0.1, 100

# Of a split of sequences: the share for testing, and the identity from which they are alike.
TESTED, IDENTITY = 0.2, 0.8

SWEEPS = 1
BURN_IN = 50
CHAINS = 100
# Chains of the core in wake-sleep: it begins at what was recognised.
DREAMS = 0
# Sweeps in which a pair of coupled chains is to meet.
MEETING_SWEEPS = 100
LATENT_SWEEPS = 5
POSITIVE = "gibbs"
# Units that are changed in an update, where the free energy of every change has to be found.
CHANGED_UNITS = 16
# Units of a block of the composite likelihood.
BLOCK_UNITS = 2
# Noise of denoising score matching, in units of the data; random directions of score matching.
NOISE_SD, DIRECTIONS = 0.1, 1
# Rows of noise for each row of data, of noise contrastive estimation.
NOISE_ROWS = 5
# Fast weights: what is left of them from update to update, and their learning rate as a multiple of that of the parameters.
FAST_DECAY, FAST_RATE = 0.95, 1.0
# The weight of the joint likelihood beside that of a layer to be predicted.
GENERATIVE = 0.01

SCHEDULE = "linear"
GREEDY_SCHEDULE = "constant"
MOMENTUM = 0.0
WEIGHT_DECAY = 0.0
# Learning rates by optimiser: where all visible layers are bounded, and where one is not (real, positive, count).
RATES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "sgd": (0.05, 0.001),
        "adam": (0.001, 0.003),
        "natural": (0.05, 0.02),
        "natural-factored": (0.05, 0.01),
        "spectral": (1.0, 0.02),
    }
)
OPTIMIZERS = ("sgd", "adam")
# Of natural gradients: what is added to the diagonal of the Fisher matrix, as a multiple of its mean; updates between two inverses.
DAMPING, FISHER_REFRESH = 0.1, 20
# Singular directions of a step of spectral descent.
SPECTRAL_RANK = 64
# Of parameters that set the scale of units: the share of what a variance lacks that a step makes up for.
SCALE_RATE = 0.5

TEMPERATURES = 10_000
# Those that are tried first after a training, and how near to one another the sides then must be, in nats.
FEW_TEMPERATURES, NARROW = 1_000, 0.5
ANNEALED_CHAINS = 100

SAMPLER: SamplerName = "auto"
# Leapfrog steps of a Hamiltonian trajectory.
LEAPFROG_STEPS = 10
# Of parallel tempering: temperatures, and the lowest inverse one.
REPLICAS, HOTTEST = 8, 0.1

SAMPLES = 100
# Chains of a verdict in retrospect.
LOOKED_AT = 500
SAMPLE_SWEEPS = 1000
# Draws that are kept of each chain.
DRAWS = 1

# Of a search for the state of least energy: chains that are cooled, and over how many sweeps.
STARTS, COOLING_SWEEPS = 100, 200

BACKEND: Backend = "auto"
DTYPE: DType = "float32"
PRECISION: Precision = "full"
# Whose kernels are printed as a module, and proved: those that run anywhere.
PRINTED_BACKEND: Backend = "numpy"
SEED = 0
