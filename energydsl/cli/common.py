"""What subcommands share: options, models from files, results as text or JSON, errors as exit statuses."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from energydsl.api import Model
from energydsl.cli.completing import data_sources
from energydsl.cli.together import together
from energydsl.diagnostics import EnergyError, ModelError, Part, Source, render_all
from energydsl.model.resolve import Overrides
from energydsl.options import SPLITS, UNKNOWN, Backend, DType, Precision, Split, Unknown
from energydsl.syntax.parser import decode

if TYPE_CHECKING:
    from energydsl.data.sources import Data
    from energydsl.learning.run import Run
    from energydsl.program import Program

Function = TypeVar("Function", bound=Callable[..., None])
Number = TypeVar("Number", int, float)
FAULT, INTERNAL = 1, 3


_COLOURS: dict[Part, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan"},
    "help": {"fg": "green"},
    "message": {"bold": True},
    "place": {"fg": "blue"},
}


def paint(text: str, part: Part) -> str:
    """Text for standard error, coloured by its part where that is a terminal, unless NO_COLOR is set (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        return text
    return click.style(text, **_COLOURS[part])


class Failed(Exception):
    """The command did its work and the answer is no: exit status 1, nothing more to say."""


def json_option(function: Function) -> Function:
    """`--json`, and the errors of a command as exit statuses: 1 model or data at fault, 3 internal."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output, and nothing else.")
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        try:
            together(click.get_current_context().info_name or "", function, *args, as_json=as_json, **kwargs)
        except Failed:
            sys.exit(FAULT)
        except EnergyError as error:
            _report_fault(error, as_json)
            sys.exit(getattr(error, "status", FAULT))
        except MemoryError:
            _report_fault(
                EnergyError("there is not enough memory for arrays of these sizes; make them smaller with -D"), as_json
            )
            sys.exit(FAULT)
        except (click.ClickException, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as error:
            click.echo("stopped", err=True)
            sys.exit(status_of(error))
        except Exception as error:
            _report_internal(error, as_json)
            sys.exit(INTERNAL)

    return run  # type: ignore[return-value]


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status of a command that a signal ended."""
    from energydsl.learning.interrupt import number_of

    return 128 + number_of(error)


def _report_fault(error: EnergyError, as_json: bool) -> None:
    if as_json:
        found = [d.as_dict() for d in error.diagnostics]
        print_json({"ok": False, "diagnostics": [d | {k: _flags(d[k]) for k in ("message", "help")} for d in found]})
        return
    if isinstance(error, ModelError):
        text = render_all(error.diagnostics, paint)
    else:
        text = f"{paint('error', 'error')}: {error}"
    click.echo(_flags(text), err=True)


def _flags(text: str) -> str:
    """What a message says of Python's arguments, as options: `binarise="sample"` is `--binarise sample`."""
    text = re.sub(r"\b(\w+)=\{'([\w:]+)': ([^}]+)\}", r"--\1 \2=\3", text)
    text = re.sub(r'\b(binarise|key|out|start|method|unknown)="([^"]*)"', r"--\1 \2", text)
    text = re.sub(r"\bmax_kl\b", "--max-kl", text)
    text = re.sub(r"\bvalidation=([\d.]+)", r"--validation \1", text)
    return re.sub(r"\b(impute|resume|centred)=True\b", r"--\1", text)


def _report_internal(error: Exception, as_json: bool) -> None:
    message = f"internal error: {type(error).__name__}: {error}"
    if as_json:
        print_json({"ok": False, "diagnostics": [], "internal_error": message})
    click.echo(
        f"{message}\nThis is a fault of energydsl, not of your model. Set ENERGYDSL_DEBUG=1 to see where.", err=True
    )
    if os.environ.get("ENERGYDSL_DEBUG"):
        traceback.print_exc()


def _finite(value: object) -> object:
    """JSON has no NaN: null in its place."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Mapping[str, object]) -> None:
    """One JSON object on standard output; numbers that are not finite become null."""
    click.echo(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False))


def overrides_options(function: Function) -> Function:
    """`-D NAME=INTEGER` and `-c NAME=REAL`."""
    function = click.option(
        "-D",
        "--dim",
        "dims",
        multiple=True,
        metavar="NAME=INTEGER",
        callback=_pairs(int),
        help="Set a dim, e.g. J=64.",
    )(function)
    return click.option(
        "-c",
        "--const",
        "consts",
        multiple=True,
        metavar="NAME=REAL",
        callback=_pairs(float),
        help="Set a const, e.g. t=0.5.",
    )(function)


weights_option = click.option(
    "--weights",
    metavar="FILE|identity:T",
    help="How much each row counts: one number a row, .npy or .csv; 2 counts as two rows. identity:0.8: 1 over the number of rows "
    "that are equal in 80 % of their units.  [default: all alike]",
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(UNKNOWN),
    default="error",
    show_default=True,
    help="What letters of sequences are that name no state.",
)
bin_option = click.option(
    "--bin",
    "bin_ms",
    type=click.FloatRange(0, min_open=True),
    metavar="MS",
    help="Data are spikes, columns neuron and time; so many milliseconds are a row.",
)


@dataclass(frozen=True)
class DataOptions:
    """What `--data`, `--weights`, `--split`, `--binarise`, `--key`, `--unknown` and `--bin` say."""

    sources: tuple[str, ...]
    split: Split
    binarise: str | None
    key: str | None
    weights: str | None
    unknown: Unknown
    bin_ms: float | None

    def load(self, run: Run) -> Data:
        """The data, in the layers of a run's model; grey values are taken as in training where nothing else is said."""
        from energydsl.data import load_data

        rule = self.binarise or run.config["data"]["binarise"]
        given = self.sources, self.split, rule, self.key, False, self.weights, self.unknown, self.bin_ms
        return load_data(run.program.model, *given)


def data_options(function: Function) -> Function:
    """The options of `DataOptions`, which the command takes as `data`."""

    @functools.wraps(function)
    def run(
        *args: Any,
        sources: tuple[str, ...],
        split: Split,
        binarise: str | None,
        key: str | None,
        weights: str | None,
        unknown: Unknown,
        bin_ms: float | None,
        **kwargs: Any,
    ) -> None:
        function(*args, data=DataOptions(sources, split, binarise, key, weights, unknown, bin_ms), **kwargs)

    for option in (
        bin_option,
        unknown_option,
        weights_option,
        click.option("--key", metavar="NAME", help="Name of the array in an .npz file."),
        click.option(
            "--binarise",
            metavar="RULE",
            help="How grey values become binary: threshold:0.5, sample or none.  [default: as the run was trained]",
        ),
        click.option(
            "--split",
            type=click.Choice(SPLITS),
            default="test",
            show_default=True,
            help="Which part of digits or of a folder in MNIST's format.",
        ),
        click.option(
            "--data",
            "sources",
            multiple=True,
            required=True,
            metavar="D",
            shell_complete=data_sources,
            help="Data source, as for `energydsl train`.",
        ),
    ):
        run = option(run)
    return run  # type: ignore[return-value]


def run_or_model(target: str, dims: dict[str, int], consts: dict[str, float], as_json: bool) -> Run:
    """The run in a folder; or the model in a file, where none of its parameters is to be learned."""
    from energydsl.inference.untrained import untrained
    from energydsl.learning.run_folder import open_run

    if target == "-" or Path(target).is_file():
        return untrained(read_model(target, dims, consts, as_json))
    if dims or consts:
        raise click.UsageError(
            "-D and -c can be given for a model file only; the sizes and constants of a run are fixed"
        )
    return open_run(target)


def _pairs(kind: Callable[[str], Number]) -> Callable[..., dict[str, Number]]:
    """Options NAME=VALUE."""

    def parse(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Number]:
        found: dict[str, Number] = {}
        for text in values:
            name, _, value = text.partition("=")
            number: Number | None = None
            with suppress(ValueError):
                number = kind(value)
            if not name.strip() or number is None or not math.isfinite(number):
                wanted = "NAME=INTEGER, e.g. J=64" if kind is int else "NAME=REAL, e.g. t=0.5"
                raise click.BadParameter(f"expected {wanted}, not `{text}`")
            found[name.strip()] = number
        return found

    return parse


def read_source(file: str) -> Source:
    """The text of a file, or of standard input for `-`. Raises `EnergyError` where it cannot be read."""
    if file == "-":
        return decode(sys.stdin.buffer.read(), "<stdin>")
    path = Path(file)
    try:
        return decode(path.read_bytes(), file)
    except OSError as error:
        raise EnergyError(f"cannot read {file}: {error.strerror}") from None


def overrides(file: str, dims: dict[str, int], consts: dict[str, float]) -> Overrides:
    """What `-D` and `-c` set; files that a model names are found beside it, for standard input in the folder at hand."""
    folder = Path() if file == "-" else Path(file).parent
    return Overrides(dims, consts, {}, folder)


def read_model(file: str, dims: dict[str, int], consts: dict[str, float], as_json: bool) -> Model:
    """The model of a file; its warnings go to standard error."""
    model = Model(read_source(file), overrides(file, dims, consts))
    if not as_json:
        for warning in model.warnings:
            click.echo(warning.render(paint), err=True)
    return model


def compiled(
    model: Model, quiet: bool, backend: Backend, dtype: DType = "float32", precision: Precision = "full"
) -> Program:
    """The program of a model. Where `auto` finds no Numba, a user is told once what that costs."""
    program = model.compile(backend, dtype, precision)
    if backend == "auto" and program.backend == "numpy" and model.worth_compiling and not quiet and _first_time():
        click.echo(
            "note: without Numba, sweeps and updates of this model take 2 to 5 times as long. To install it: "
            'pip install "energydsl[numba]"',
            err=True,
        )
    return program


def _first_time() -> bool:
    """Whether nothing was said yet, as far as the cache folder can tell."""
    from energydsl.backends.kernel_cache import cache_folder

    folder = cache_folder()
    if folder is None:
        return True
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = folder / "told-of-numba"
        first = not mark.exists()
        mark.touch()
        return first
    return True


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A file is written. Raises `EnergyError` where it cannot be."""
    if not path.parent.is_dir():
        raise EnergyError(f"cannot write {path}: there is no folder {path.parent}")
    try:
        yield
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
