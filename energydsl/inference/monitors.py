"""What watches a training: monitors for `ed.train(monitor=...)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from energydsl.data.sources import Data
from energydsl.diagnostics import EnergyError
from energydsl.inference.evaluate import evaluate

if TYPE_CHECKING:
    from energydsl.learning.run import Run


class Likelihood:
    """The log-likelihood of rows under the run as it is: exactly where that is feasible, else from both sides by annealing.

    remark: called once, with the reason, where there is none.
    """

    def __init__(self, remark: Callable[[str], None]):
        self.remark = remark
        self.remarked = False

    def __call__(self, run: Run, rows: Data) -> dict[str, float]:
        """`log_likelihood` and its standard error `log_likelihood_std`, in nats a row; nothing where there is none.

        Where log Z is estimated, both its sides too: `log_likelihood_low` and `log_likelihood_high`. `log_likelihood_bound`: 0
        where it is exact, 1 where log p~ is a bound from below, by mean field or recognition.
        """
        try:
            found = evaluate(run, rows)
        except EnergyError as error:
            if not self.remarked:
                self.remarked = True
                self.remark(str(error))
            return {}
        figures = {"log_likelihood": found.log_likelihood, "log_likelihood_std": found.log_likelihood_std}
        if found.bound or found.exactness == "exact":
            figures["log_likelihood_bound"] = float(found.bound)
        if found.log_likelihood_low is not None and found.log_likelihood_high is not None and found.gap is not None:
            figures["log_likelihood_low"] = found.log_likelihood_low
            figures["log_likelihood_high"] = found.log_likelihood_high
        return figures
