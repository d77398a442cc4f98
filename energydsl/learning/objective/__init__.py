"""What is made small: one file an entry, each a frozen record with `init` and `step` (`record.py`).

`methods/` has the table of their short names, which `ed.train(method=...)` and `--method` take.
"""

from __future__ import annotations

from energydsl.learning.objective.conditionals import Conditionals as Conditionals
from energydsl.learning.objective.exact import ExactLikelihood as ExactLikelihood
from energydsl.learning.objective.likelihood import Likelihood as Likelihood
from energydsl.learning.objective.noise_contrast import NoiseContrast as NoiseContrast
from energydsl.learning.objective.prediction import Prediction as Prediction
from energydsl.learning.objective.record import Objective as Objective
from energydsl.learning.objective.scores import Scores as Scores
from energydsl.learning.objective.sharded import Sharded as Sharded
from energydsl.learning.objective.wake_sleep import WakeSleepBound as WakeSleepBound
