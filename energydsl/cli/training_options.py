"""What `train` and `compare` have in common: the options of training, and the records they stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from energydsl import defaults
from energydsl.cli.common import Function, bin_option, unknown_option, weights_option
from energydsl.cli.completing import data_sources
from energydsl.diagnostics import ArgumentError
from energydsl.learning.choice import chosen_method, chosen_optimizer
from energydsl.learning.greedy import Greedy
from energydsl.learning.methods import CD, METHODS, Method
from energydsl.learning.optimizer import OPTIMIZERS, SCHEDULES, SGD, Optimizer
from energydsl.learning.optimizer.penalties import Penalty
from energydsl.learning.posterior import POSITIVE
from energydsl.model.records import Resolved
from energydsl.options import BACKENDS, DTYPES, PRECISIONS, SAMPLERS, STOP_WHEN


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Penalty:
    """Options FACTOR or NAME=FACTOR, as pairs; "" for all couplings."""
    found = []
    for text in values:
        target, _, number = text.rpartition("=")
        try:
            found.append((target.strip(), float(number)))
        except ValueError:
            raise click.BadParameter(f"expected a number or PARAM=NUMBER, e.g. W=1e-4, not `{text}`") from None
    return tuple(found)


def _penalty(name: str, help: str) -> Callable[[Function], Function]:
    return click.option(f"--{name}", multiple=True, metavar="[PARAM=]F", callback=_pairs, help=help)


def _average(ctx: click.Context, param: click.Parameter, value: str | None) -> str | int | None:
    """A number of updates as a whole number; words as they are."""
    return int(value) if value is not None and value.isdecimal() else value


# Settings that some methods have.
_OWN = ("units", "size", "sd", "directions", "ratio", "lag", "decay", "fast_rate", "max_sweeps")
# Settings that some optimisers have.
_STEPS = ("momentum", "damping", "refresh", "rank")
_SGD = defaults.RATES["sgd"]
_TRAINING = (
    click.option(
        "--data",
        "sources",
        multiple=True,
        required=True,
        metavar="D",
        shell_complete=data_sources,
        help="Data: digits, bars-and-stripes:4, a file or a folder; LAYER=D for each of several layers.",
    ),
    weights_option,
    unknown_option,
    bin_option,
    click.option(
        "--method",
        type=click.Choice(list(METHODS)),
        default=None,
        help="Objective to follow.  [default: pcd; cd with input layers; wake-sleep with arrows]",
    ),
    click.option(
        "--k",
        type=click.IntRange(min=1),
        help=f"Gibbs sweeps in each update.  [default: {defaults.SWEEPS}; mcmc {defaults.BURN_IN}]",
    ),
    click.option(
        "--sampler",
        type=click.Choice(SAMPLERS),
        help=f"How chains are moved; explain says which fit.  [default: {defaults.SAMPLER}]",
    ),
    click.option(
        "--positive",
        type=click.Choice(list(POSITIVE)),
        default=defaults.POSITIVE,
        show_default=True,
        help="How latent layers are found given the data.",
    ),
    click.option(
        "--latent-sweeps",
        type=click.IntRange(min=1),
        default=defaults.LATENT_SWEEPS,
        show_default=True,
        help="Gibbs sweeps, or mean-field iterations, over latent layers that do not factorise.",
    ),
    click.option("--units", type=click.IntRange(min=1), help="Units changed in each update, by objectives of changes."),
    click.option("--size", type=click.IntRange(min=2), help="Units of a block of composite-likelihood."),
    click.option("--sd", type=float, help="Noise of denoising-score-matching, in units of the data."),
    click.option("--directions", type=click.IntRange(min=1), help="Random directions of score-matching."),
    click.option(
        "--lag",
        type=float,
        help="The parameters wait while a round of sweeps still moves the mean energy of persistent chains by more of its standard "
        "deviations than this, e.g. 0.25.",
    ),
    click.option("--decay", type=float, help="What is left of the fast weights of fast-pcd after an update."),
    click.option("--fast-rate", type=float, help="Steps of the fast weights, as a multiple of the learning rate."),
    click.option(
        "--max-sweeps",
        type=click.IntRange(min=2),
        help="Sweeps after which a pair of chains of unbiased-cd that has not met is given up.  "
        f"[default: {defaults.MEETING_SWEEPS}]",
    ),
    click.option(
        "--ratio", type=click.IntRange(min=1), help="Rows of noise for each row of data, of noise-contrastive."
    ),
    click.option("--impute", is_flag=True, help="Draw missing entries (NaN) of the data given the known ones."),
    click.option("--centred", is_flag=True, help="Follow the centred gradient."),
    click.option("--predict", metavar="LAYER", help="Fit p(LAYER | the other visible layers), as for labels."),
    click.option(
        "--generative",
        type=click.FloatRange(min=0),
        help=f"Weight of the joint likelihood beside --predict; 0: discriminative.  [default: {defaults.GENERATIVE}]",
    ),
    click.option(
        "--greedy",
        metavar="N[,N...]",
        help="Train layer by layer first, this many epochs a stage (deep models).",
    ),
    click.option(
        "--greedy-lr",
        type=float,
        help=f"Learning rate of --greedy.  [default: {_SGD[0]}; real, positive and count data {_SGD[1]}]",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(min=0),
        default=defaults.EPOCHS,
        show_default=True,
        help="Passes over the data.",
    ),
    click.option(
        "--lr",
        type=float,
        help="Learning rate.  [default: "
        + ", ".join(f"{name} {low}" for name, (low, _) in defaults.RATES.items())
        + "; real, positive and count data: "
        + ", ".join(f"{name} {high}" for name, (_, high) in defaults.RATES.items())
        + "]",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=defaults.BATCH,
        show_default=True,
        help="Rows of data in each update.",
    ),
    click.option(
        "--chains",
        type=click.IntRange(min=0),
        help=f"Number of persistent chains.  [default: {defaults.CHAINS}; wake-sleep {defaults.DREAMS}: chains begin at the data]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=defaults.SEED,
        show_default=True,
        help="Seed of all random numbers.",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(list(OPTIMIZERS)),
        help="Optimiser.  [default: {}; {} for real, positive and count data]".format(*defaults.OPTIMIZERS),
    ),
    click.option(
        "--schedule",
        type=click.Choice(list(SCHEDULES)),
        default=defaults.SCHEDULE,
        show_default=True,
        help="How the learning rate falls over the training.",
    ),
    click.option("--momentum", type=float, default=defaults.MOMENTUM, show_default=True, help="Momentum of sgd."),
    click.option(
        "--damping",
        type=float,
        help="What natural gradients add to the Fisher matrix, as a multiple of the mean of its diagonal.  "
        f"[default: {defaults.DAMPING}]",
    ),
    click.option(
        "--refresh",
        type=click.IntRange(min=1),
        help=f"Updates between two inverses of natural-factored.  [default: {defaults.FISHER_REFRESH}]",
    ),
    click.option(
        "--rank",
        type=click.IntRange(min=1),
        help=f"Singular directions of a step of spectral.  [default: {defaults.SPECTRAL_RANK}]",
    ),
    click.option(
        "--max-kl",
        type=float,
        metavar="NATS",
        help="Shrink steps that are predicted to move the model by more, as 0.01 (methods with chains).",
    ),
    click.option(
        "--weight-decay",
        type=float,
        default=defaults.WEIGHT_DECAY,
        show_default=True,
        help="Factor of an L2 penalty on couplings.",
    ),
    _penalty("l1", "Factor of an L1 penalty, which makes zeros: of all couplings, or PARAM=F, once for each."),
    _penalty("l2", "Factor of an L2 penalty: of all couplings, or PARAM=F."),
    _penalty(
        "group",
        "Factor of a penalty on groups: PARAM:AXES=F, a group for each place on these axes; F, PARAM=F: columns.",
    ),
    click.option(
        "--average",
        metavar="polyak|N",
        callback=_average,
        help="Keep an average of the parameters, and evaluate that: of the second half of updates, or exponential over N.",
    ),
    click.option(
        "--backend",
        type=click.Choice(BACKENDS),
        default=defaults.BACKEND,
        show_default=True,
        help="Where kernels run; auto takes what is there and pays.",
    ),
    click.option(
        "--dtype", type=click.Choice(DTYPES), default=defaults.DTYPE, show_default=True, help="Precision of all arrays."
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default=defaults.PRECISION,
        show_default=True,
        help="Precision of large products on a GPU.",
    ),
    click.option(
        "--binarise",
        metavar="RULE",
        help="What grey values become: threshold:0.5, sample or none.  [default: sample for digits]",
    ),
    click.option(
        "--split",
        type=click.Choice(["train", "test"]),
        default="train",
        show_default=True,
        help="Part of a data set that has two.",
    ),
    click.option("--key", help="Name of the array in an .npz file."),
    click.option(
        "--validation",
        type=float,
        help="Fraction of rows held out for figures on the way.  [default: 0.1 from 100 rows on]",
    ),
    click.option(
        "--stop-when",
        type=click.Choice(STOP_WHEN),
        help="End training early, and keep the best parameters: once the gap of the free energies of held-out and training "
        "rows has grown, or the held-out likelihood of --evaluate-every has fallen.",
    ),
)


def training_options(function: Function) -> Function:
    """What `train` and `compare` have in common: data, method, optimiser, backend."""
    for option in reversed(_TRAINING):
        function = option(function)
    return function


def method_of(model: Resolved, options: dict[str, Any]) -> Method:
    """The method that the options say, or that fits the model."""
    if options["generative"] is not None and not options["predict"]:
        raise ArgumentError("--generative is a weight beside --predict")
    names = ("k", "chains", "sampler", "positive", "latent_sweeps", "centred", "impute", "predict", "generative", *_OWN)
    found = chosen_method(model, options["method"], **{n: options[n] for n in names})
    known = {f.name for f in fields(found)}
    for name in _OWN:
        if options[name] is not None and name not in known:
            owners = [n for n, kind in METHODS.items() if name in {f.name for f in fields(kind)}]
            raise ArgumentError(f"--{name.replace('_', '-')} belongs to --method {' or '.join(owners)}")
    return found


def greedy_of(options: dict[str, Any]) -> Greedy | None:
    """The greedy stages that the options say, or None."""
    if not options["greedy"]:
        if options["greedy_lr"] is not None:
            raise ArgumentError("--greedy-lr belongs to --greedy")
        return None
    try:
        epochs = tuple(int(n) for n in options["greedy"].split(","))
    except ValueError:
        raise ArgumentError("--greedy takes whole numbers: --greedy 10,10,20") from None
    return Greedy(
        epochs, CD(centred=options["centred"]), SGD(lr=options["greedy_lr"], schedule=defaults.GREEDY_SCHEDULE)
    )


def optimizer_of(model: Resolved, options: dict[str, Any]) -> Optimizer:
    """The optimiser that the options say, or that fits the model."""
    names = ("lr", "weight_decay", "schedule", "l1", "l2", "group", "average", "max_kl", *_STEPS)
    found = chosen_optimizer(model, options["optimizer"], **{n: options[n] for n in names})
    known = {f.name for f in fields(found)}
    for name in _STEPS:
        if options[name] and name not in known:
            owners = [n for n, kind in OPTIMIZERS.items() if name in {f.name for f in fields(kind)}]
            raise ArgumentError(f"--{name} belongs to --optimizer {' or '.join(owners)}")
    return found
