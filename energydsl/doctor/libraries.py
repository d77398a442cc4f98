"""The libraries that energydsl needs, and those of its extras: which are there, of which version, and whether they load."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType

from energydsl.doctor.probe import probe
from energydsl.doctor.record import Finding, Part

# Library -> the module that is loaded of it.
NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "numpy": "numpy",
        "scipy": "scipy",
        "lark": "lark",
        "networkx": "networkx",
        "click": "click",
        "rich": "rich",
        "arviz-stats": "arviz_stats",
    }
)
# Extra -> its library, and the module that is loaded of it; but for backends and MPI, which are tried by more than that.
EXTRAS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "plots": ("matplotlib", "matplotlib.figure"),
        "parquet": ("pyarrow", "pyarrow.parquet"),
        "zarr": ("zarr", "zarr"),
        "arviz": ("arviz-base", "arviz_base"),
        "sklearn": ("scikit-learn", "sklearn"),
        "notebook": ("ipykernel", "ipykernel"),
        "editor": ("pygls", "pygls.lsp.server"),
        "dimod": ("dimod", "dimod"),
        "safetensors": ("safetensors", "safetensors.numpy"),
        "onnx": ("onnx", "onnx"),
        "docs": ("sphinx", "sphinx"),
    }
)

Asked = tuple[Part, str, str, str, str]


def version_of(library: str) -> str:
    """The version that is installed; empty where none is."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def least_versions() -> dict[str, str]:
    """The least version of each library, as the package says it; nothing in a bare checkout, which says none."""
    try:
        said = metadata.requires("energydsl") or []
    except metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*>=\s*([\d.]+)", line) for line in said)
    return {m[1]: m[2] for m in found if m}


def needed() -> list[Asked]:
    """Those without which nothing runs, as arguments of `library`."""
    return [("libraries", name, name, module, "energydsl") for name, module in NEEDED.items()]


def extras() -> list[Asked]:
    """Those of the extras, as arguments of `library`."""
    return [("extras", name, *named, f"energydsl[{name}]") for name, named in EXTRAS.items()]


def library(part: Part, name: str, distribution: str, module: str, install: str) -> Finding:
    """Whether a library is there, as new as it has to be, and loads."""
    command = f'pip install "{install}"'
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        return Finding(
            part, name, "broken" if part == "libraries" else "missing", f"{distribution} is not installed", command
        )
    version = version_of(distribution)
    shown = version if name == distribution else f"{distribution} {version}".strip()
    least = least_versions().get(distribution, "")
    if version and least and _release(version) < _release(least):
        return Finding(
            part,
            name,
            "broken",
            f"{distribution} {version} is older than {least}",
            f'pip install --upgrade "{install}"',
        )
    outcome = probe(f"import {module}")
    if outcome.why:
        return Finding(
            part,
            name,
            "broken",
            f"{distribution} {version} does not load: {outcome.why}",
            f'pip install --force-reinstall "{distribution}"',
        )
    return Finding(part, name, "ok", shown)


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a release, 1.20.3rc1 as (1, 20, 3)."""
    found = re.match(r"[\d.]+", version)
    return tuple(int(n) for n in found[0].strip(".").split(".")) if found else ()
