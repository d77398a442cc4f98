"""`energydsl studio FILE`: a local page for writing an energy and seeing what follows from it."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path

import click

from energydsl.cli.common import json_option, overrides, overrides_options, print_json
from energydsl.cli.completing import run_folders, runs_or_models
from energydsl.cli.targets import parameters
from energydsl.diagnostics import EnergyError
from energydsl.options import BACKENDS, Backend


@click.command("studio", short_help="Write an energy on a local page, and see what follows from it.")
@click.argument("target", metavar="FILE|RUN", shell_complete=runs_or_models)
@click.option(
    "--params",
    type=click.Path(exists=True, path_type=Path),
    shell_complete=run_folders,
    help="Parameters of the sampler: the folder of a run, or an .npz or .safetensors file of arrays by name. Those whose shapes do "
    "not fit the text are as they are initialised.  [default: all are]",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="numpy",
    show_default=True,
    help="Backend of the sampler; others are faster once compiled, which takes seconds for each new text.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: a free one]")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
@overrides_options
@json_option
def command(
    target: str,
    params: Path | None,
    backend: Backend,
    port: int,
    browser: bool,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Serve a page on which the model FILE is written, with all that follows from it and a running sampler, until Ctrl-C.

    The page is for this machine alone: its address has a random token. With the folder of a RUN, its text can be changed on the
    page but is not saved. docs/studio.md says more.
    """
    try:
        from energydsl.studio.file import ModelFile
        from energydsl.studio.server import serve
        from energydsl.studio.worker import Origin
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        raise EnergyError('the studio needs starlette and uvicorn: pip install "energydsl[studio]"') from None

    def ready(address: str) -> None:
        if as_json:
            print_json({"ok": True, "address": address})
        else:
            click.echo(f"{target} is at {address}\nCtrl-C ends it")
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    if not Path(target).is_dir():
        trained = {} if params is None else parameters(params)
        file = ModelFile(Path(target), Origin(target, overrides(target, dims, consts), trained, backend))
    elif dims or consts:
        raise click.UsageError("-D and -c can be given for a model file only; a run has its own")
    else:
        from energydsl.learning import config
        from energydsl.learning.run_folder import MODEL, load_model

        folder = Path(target)
        origin = Origin(
            str(folder / MODEL),
            load_model(folder, config.read(folder)).overrides,
            parameters(params or folder),
            backend,
        )
        locked = f"{target} is the folder of a run, whose text is not changed: copy it into a file of its own"
        file = ModelFile(folder / MODEL, origin, locked)
    file.now()
    serve(file, port, ready)
