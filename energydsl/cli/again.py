"""How a run is made again: the command that says what its config says, and what it takes beside that."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

import click

from energydsl.cli.train_command import command as train
from energydsl.cli.training_options import method_of, optimizer_of
from energydsl.diagnostics import EnergyError
from energydsl.learning.config import named
from energydsl.markup import bullets, element
from energydsl.model.records import Resolved

_PLAIN = ("epochs", "batch", "seed", "validation", "backend", "dtype", "precision", "stop_when", "shards")


def again(config: Mapping[str, Any], model: Resolved, text: str) -> list[Element]:
    """The command, which has the text of the model with it and so works in any folder, and what else has to be the same."""
    words = command_of(config)
    data = config["data"]
    beside = [
        f"the data were called {data['name']}: {data['rows']:,} rows, SHA-256 {data['digest']}",
        f"this was energydsl {config['energydsl']}; numbers are the same bit for bit with the same version and kernels on the same kind of machine",
        "a run that was begun with --start, or with parameters from Python, began elsewhere than this command does",
    ]
    if config.get("graphs"):
        beside.append(f"graphs {', '.join(config['graphs'])} are in graphs.npz of the run's folder")
    if "weights" in data:
        beside.append(f"rows had weights (--weights), SHA-256 {data['weights']}")
    beside += [f"no option of the command says: {setting}" for setting in unsaid(words, config, model)]
    return [element("pre", f"{shlex.join(words)} <<'{_end(text)}'\n{text.rstrip()}\n{_end(text)}"), bullets(beside)]


def _end(text: str) -> str:
    """A word that ends a text in a shell: none of its lines."""
    word = "END"
    while word in text.splitlines():
        word += "_"
    return word


def command_of(config: Mapping[str, Any]) -> list[str]:
    """`energydsl train` with the options that a config stands for."""
    data, method, optimizer = config["data"], dict(config["method"]), dict(config["optimizer"])
    said: dict[str, Any] = {"--data": data["name"]}
    said |= {"--binarise": data["binarise"]} if data["binarise"] is not None else {}
    said |= {"--method": method.pop("name"), "--optimizer": optimizer.pop("name")}
    if not method.get("predict"):
        method.pop("generative", None)
    said |= {_flag(name): value for name, value in (method | optimizer).items()}
    said |= {_flag(name): config[name] for name in _PLAIN if name in config}
    if greedy := config.get("greedy"):
        said |= {"--greedy": ",".join(map(str, greedy["epochs"])), "--greedy-lr": greedy["optimizer"]["lr"]}
    words = ["energydsl", "train", "-"]
    for sign, values in (("-D", config["dims"]), ("-c", config["consts"])):
        words += [word for name, value in values.items() for word in (sign, f"{name}={value}")]
    known = {option for parameter in train.params for option in parameter.opts}
    for flag, value in said.items():
        if flag in known:
            words += _option(flag, value)
    return words


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _option(flag: str, value: Any) -> list[str]:
    """An option as words; nothing where it is not set. Pairs are penalties: NAME=FACTOR, or FACTOR for all."""
    if value is None or value is False or value == "":
        return []
    if value is True:
        return [flag]
    if isinstance(value, list | tuple):
        return [w for name, factor in value for w in (flag, f"{name}={factor}" if name else str(factor))]
    return [flag, str(value)]


def unsaid(words: list[str], config: Mapping[str, Any], model: Resolved) -> list[str]:
    """Settings of a config that a command, read as it would be, does not come to."""
    try:
        options = train.make_context("train", words[2:]).params
        read = {"method": named(method_of(model, options)), "optimizer": named(optimizer_of(model, options))}
    except (click.ClickException, EnergyError) as error:
        return [f"all of it, as it is refused: {error}"]
    return [
        f"{what} {name} = {value}"
        for what, found in read.items()
        for name, value in config[what].items()
        if found.get(name) != (tuple(map(tuple, value)) if isinstance(value, list) else value)
    ]
