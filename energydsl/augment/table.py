"""The table of rules, one file each, in the order in which they are tried."""

from energydsl.augment.log_cosh import LOG_COSH
from energydsl.augment.log_sum_exp import LOG_SUM_EXP
from energydsl.augment.logarithm import LOGARITHM
from energydsl.augment.rule import Rule
from energydsl.augment.softplus import SOFTPLUS
from energydsl.augment.square import SQUARE

RULES: tuple[Rule, ...] = (SOFTPLUS, LOG_COSH, LOG_SUM_EXP, SQUARE, LOGARITHM)
