"""``reage models``: the networks on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from nuke_reage.cli.console import make_progress, show_json, stderr_console
from nuke_reage.core.errors import ModelError, UsageError

if TYPE_CHECKING:
    from nuke_reage.models.registry import Registry

__all__ = ["command"]


@click.group("models")
def command() -> None:
    """List, fetch, verify, import, export and average models.

    \b
    reage models list
    reage models fetch fran --accept-licence
    reage models import best_unet_model.pth --name fran
    reage models verify
    reage models export fran-lite --to onnx -o fran-lite.onnx
    reage models average runs/a/my-face.json=0.6 runs/b/my-face.json=0.4 --name my-face

    Your own models live in the folder that REAGE_MODELS names, else in your data folder.
    """  # noqa: D301


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def list_models(as_json: bool) -> None:
    """Show all models, installed or not, and what they may be used for."""
    registry = _registry()
    models = registry.list()
    for problem in registry.problems():
        stderr_console().print(f"[yellow]warning[/] {problem.message}")
    if as_json:
        show_json([{**one.to_dict(), "installed": one.installed, "origin": one.origin} for one in models])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "installed", "canvas", "ages", "commercial use", "licence"):
        table.add_column(heading)
    for one in models:
        ages = f"{one.age_range[0]:g}-{one.age_range[1]:g}"
        installed = one.origin if one.installed else "no"
        commercial = "yes" if one.commercial_use else "no"
        table.add_row(one.name, installed, str(one.canvas_px), ages, commercial, one.licence)
    from rich.console import Console

    Console(highlight=False, width=140).print(table)


@command.command("show")
@click.argument("name")
def show_model(name: str) -> None:
    """Show a model's card: data, licences, what it can and cannot do."""
    descriptor = _registry().get(name)
    click.echo(descriptor.card() or descriptor.title)


@command.command("fetch")
@click.argument("name")
@click.option("--accept-licence", is_flag=True, help="You have read the model's licence and accept it.")
def fetch_model(name: str, accept_licence: bool) -> None:
    """Download a model into your models folder; goes on where a broken download ended."""
    with make_progress(stderr_console()) as progress:
        bar = progress.add_task("fetch", total=None, note=name)

        def update(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total or None)

        descriptor = _registry().fetch(name, accept_licence=accept_licence, progress=update)
    click.echo(f"{descriptor.weights_path}  sha256 {descriptor.sha256}")


@command.command("verify")
@click.argument("names", nargs=-1)
def verify_models(names: tuple[str, ...]) -> None:
    """Check the weights of NAMES, or of all installed models: SHA-256, layout, finite values.

    All are checked before it ends with an error.
    """
    from nuke_reage.models.descriptor import FETCH_HINT

    registry = _registry()
    # A descriptor that cannot be read is no model of the list, and no less broken.
    errors = [] if names else list(registry.problems())
    for name in names or tuple(one.name for one in registry.list() if one.installed):
        try:
            registry.verify(name)
        except ModelError as error:
            errors.append(error)
            click.echo(f"{name}: {error.message}")
        else:
            click.echo(f"{name}: whole")
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "\n  ".join(error.message for error in errors)
        raise ModelError("broken-models", f"{len(errors)} models are not whole:\n  {listed}", FETCH_HINT)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name in the registry.")
@click.option("--like", default=None, metavar="MODEL", help="Model whose framing, canvas and ages it shares.")
@click.option("--overwrite", is_flag=True, help="Replace an installed model of that name.")
def import_model(file: Path, name: str, like: str | None, overwrite: bool) -> None:
    """Take FILE (.safetensors, or a .pth state dict) into your models folder.

    A .pth is read without running any code in it, checked, and stored as safetensors.
    """
    descriptor = _registry().import_weights(file, name, like=like, overwrite=overwrite)
    click.echo(f"{descriptor.weights_path}  sha256 {descriptor.sha256}")


@command.command("export")
@click.argument("name")
@click.option("--to", "target", type=click.Choice(["onnx", "torchscript"]), required=True, help="Format.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write.")
def export_model(name: str, target: str, output: Path) -> None:
    """Write NAME for other programs, and check that it gives the same numbers there."""
    from nuke_reage.models.export import export

    difference = export(_registry().get(name), "onnx" if target == "onnx" else "torchscript", output)
    click.echo(f"{output}: differs from PyTorch by at most {difference:.2g}")


@command.command("average")
@click.argument("models", nargs=-1, required=True, metavar="MODEL=SHARE...")
@click.option("--name", required=True, help="Name in the registry.")
@click.option("--overwrite", is_flag=True, help="Replace an installed model of that name.")
def average_models(models: tuple[str, ...], name: str, overwrite: bool) -> None:
    """Take the mean of several MODELs' weights into your models folder.

    For runs that began from the same weights: the mean is often steadier than each.  Only the proportions of the
    shares count.
    """
    shares: dict[str, float] = {}
    for text in models:
        model, _, share = text.rpartition("=")
        if model in shares:
            raise UsageError("bad-share", f"{model} is given twice.", "Give every model once, with its whole share.")
        try:
            shares[model] = float(share)
        except ValueError:
            raise UsageError("bad-share", f"{text!r} is no MODEL=SHARE.", "Write fran-lite=0.5.") from None
    descriptor = _registry().average(shares, name, overwrite=overwrite)
    click.echo(f"{descriptor.weights_path}  sha256 {descriptor.sha256}")


def _registry() -> Registry:
    from nuke_reage.models.registry import Registry

    return Registry.from_environment()
