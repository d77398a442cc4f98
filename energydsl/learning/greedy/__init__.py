"""Greedy layer-wise training: a model of many layers begins as a stack of models of two (Hinton, Osindero & Teh 2006).

Every stage is an ordinary model, written out as text: the layers below are its data. In a directed model the stage of a pair
p(a | b), q(b | a) has the energy of p and the bias of b, and gives both directions their weights. In an undirected one a
layer in the middle gets input from both sides, of which a stage has but one: so the stage has the missing side as a copy of
the one it has, with the same weights, or where both layers lack one, weights that are halved (Salakhutdinov & Hinton 2009).
A parameter of several stages becomes the mean of them, as a bias does: the energy of a chain is then half the sum of its stages'.
"""

from __future__ import annotations

from energydsl.learning.greedy.pretrain import pretrain as pretrain
from energydsl.learning.greedy.record import Greedy as Greedy
from energydsl.learning.greedy.stage import Stage as Stage
from energydsl.learning.greedy.stages import stages as stages
