"""How much is enumerated, and no more: every limit of a list of states, places or rows that the package makes.

Read as `limits.NAME` where it is needed, so that one assignment moves it everywhere.
"""

from dataclasses import dataclass

# log2 of the joint states that an exact sum may list, in `evaluate`, in `Program.log_partition` and in what `explain` says of them.
LOG2_STATES = 24.0
# log2 of those that are looked at for the one of least energy; pairs of units in a minimum cut; places of a term whose factors are
# listed for a bound on that energy.
LOG2_LEAST = 20.0
CUT_PAIRS = 20_000
LISTED_PLACES = 1 << 20
# log2 of those of which exact samples are drawn by their weights.
LOG2_DRAWN = 16.0
# Joint states of one layer: that `predict` compares, and that discriminative training does, for each row of a batch.
PREDICTED_STATES = 4096
DISCRIMINATED_STATES = 256
# Values of one unit of a domain that has a natural parameter for each.
VALUES_OF_A_UNIT = 65536
# Layers of which all sets are tried for what is best summed out.
SUMMABLE_LAYERS = 12
# Rows of inputs that differ: each has a log partition of its own, estimated apart.
INPUT_ROWS = 1000
# Units whose joint precision matrix is looked at; and of those for which there is one for each state of the other units.
QUADRATIC_UNITS, SCALED_UNITS = 4096, 256
# log2 of the states for each of which a precision matrix is factorised.
LOG2_MATRICES = 16.0

# Couplings of pairs of states of units of one layer, held in one array.
COUPLINGS = 1 << 27

# States of a small model that `verify` lists, and joint places over which its oracle integrates.
VERIFIED_STATES = 8192
# The most entries of parameters with which a model is verified at its own sizes, where smaller ones can be had.
VERIFIED_ENTRIES = 300
INTEGRATED_PLACES = 4e6


@dataclass(frozen=True)
class SmallModel:
    """What a small model for `verify` may be.

    infinite: units of infinite domains. integrated: those of layers that are summed out, which the oracle integrates over at
    once. alone: whether a layer of several units may shrink to a single one.
    """

    infinite: int
    integrated: int
    alone: bool = False


# Tried in turn.
SMALL_MODELS = (SmallModel(4, 2), SmallModel(8, 8), SmallModel(4, 2, alone=True))

# Places of the loops of one term that are listed to see which units meet, and units of a lattice that is coloured.
PLACES_OF_A_TERM = 4_000_000
COLOURED_UNITS = 1 << 28
# Distances between two entries of a window, over all its places.
DISTANCES = 1 << 16

# Joint values of bounded units at each of which the factor of a power is shown to be positive.
TRIED_VALUES = 4096

# Where units are summed out or drawn along a tree: log2 of the joint states of a unit and those it meets when it is eliminated, how
# many units there are, and places of terms for each unit.
LOG2_CLIQUE = 14.0
ELIMINATED_UNITS = 1 << 15
PLACES_OF_A_UNIT = 64

# States, or chains, worked on at once: memory, not a limit of what can be done.
STATES_AT_ONCE = 1 << 13
# States that an exact gradient lists, and rows of them in all.
LISTED_STATES, LISTED_ROWS = 1 << 16, 1 << 18

# Seconds after which the studio gives up the analysis of a text, and the making of a sampler or one picture of it.
ANALYSED_SECONDS, SAMPLER_SECONDS = 20.0, 120.0
# Entries of the parameters and of all chains that it runs.
WATCHED_ENTRIES = 1 << 28
