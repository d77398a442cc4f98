"""log of a sum of exp: of what its argument lists, log(exp(y_1) + exp(y_2) + ...), without an overflow. Of one number, itself.

The derivative by y_k is exp(y_k - logsumexp(y)), which is no function of y_k alone; who derives asks for `aggregate`.
"""

from energydsl.functions.table import ElementaryFunction

LOGSUMEXP = ElementaryFunction(
    name="logsumexp", value=lambda y: y, derivative=((1.0, ()),), array="log_sum_exp", aggregate=True
)
