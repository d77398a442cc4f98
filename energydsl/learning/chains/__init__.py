"""Where the model's expectation comes from: one file an entry, each a frozen record with `init` and `step`."""

from __future__ import annotations

from energydsl.learning.chains.at_data import AtData as AtData
from energydsl.learning.chains.coupled import Coupled as Coupled
from energydsl.learning.chains.fast import Fast as Fast
from energydsl.learning.chains.persistent import Persistent as Persistent
from energydsl.learning.chains.record import Chains as Chains
from energydsl.learning.chains.restarted import Restarted as Restarted
from energydsl.learning.chains.trajectory import Trajectory as Trajectory
