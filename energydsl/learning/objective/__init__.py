"""What is made small: one file an entry, each a frozen record with `init` and `step` (`record.py`).

`methods.py` has the table of their short names, which `ed.train(method=...)` and `--method` take.
"""

from __future__ import annotations

from energydsl.learning.objective.likelihood import Likelihood as Likelihood
from energydsl.learning.objective.prediction import Prediction as Prediction
from energydsl.learning.objective.record import Objective as Objective
from energydsl.learning.objective.wake_sleep import WakeSleepBound as WakeSleepBound
