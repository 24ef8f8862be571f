"""Which models there are: those that come with ReAge and the user's own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from nuke_reage.core.errors import ModelError
from nuke_reage.core.site import load_site, user_folder
from nuke_reage.core.strict import nearest
from nuke_reage.models.architectures import StateDict, architecture
from nuke_reage.models.average import average
from nuke_reage.models.checksums import sha256_of
from nuke_reage.models.descriptor import ModelDescriptor, load_descriptor, save_descriptor
from nuke_reage.models.hub import Progress, download
from nuke_reage.models.provenance import of_unknown_origin, recorded_hub, same_weights, write_card
from nuke_reage.models.weights import check_layout, load_weights, read_checkpoint, save_weights

__all__ = ["Registry"]

_WEIGHT_SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".ckpt", ".bin"})


class Registry:
    """The models of a machine.

    Args:
        bundled_dir: folder of the models that come with ReAge; never written to.
        user_dirs: folders of the user's own; the first is written to.  A model here hides a bundled one of its name.
    """

    def __init__(self, bundled_dir: Path, user_dirs: Sequence[Path]) -> None:
        self.bundled_dir = bundled_dir
        self.user_dirs = tuple(user_dirs)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Registry:
        """The registry of this machine.

        ``REAGE_MODELS`` names the user's folders, separated as in ``PATH``; without it, a folder among the user's data.
        Folders that the site file names come after them.

        Raises:
            UsageError: the site file is missing or malformed.
        """
        env = os.environ if environment is None else environment
        named = [Path(part).expanduser() for part in env.get("REAGE_MODELS", "").split(os.pathsep) if part]
        own = named or [user_folder("data", env) / "models"]
        shared = [folder for text in load_site(env).models if (folder := Path(text).expanduser()) not in own]
        return cls(Path(__file__).parents[1] / "assets" / "models", [*own, *shared])

    def list(self) -> tuple[ModelDescriptor, ...]:
        """All models by name, installed or not.

        A descriptor that cannot be read is left out; :meth:`problems` tells of it.
        """
        return tuple(sorted(self._scan()[0].values(), key=lambda one: one.name))

    def problems(self) -> tuple[ModelError, ...]:
        """What is wrong with descriptors in the model folders."""
        return self._scan()[1]

    def get(self, name_or_path: str | Path) -> ModelDescriptor:
        """Find a model.

        Args:
            name_or_path: a name, a descriptor file, or a safetensors file with its descriptor beside it.

        Raises:
            ModelError: ``unknown-model`` with the nearest names, ``no-descriptor``, ``missing-descriptor``,
                ``bad-descriptor``.
        """
        path = Path(name_or_path)
        if path.suffix == ".json":
            return load_descriptor(path)
        if path.suffix in _WEIGHT_SUFFIXES:
            beside = path.with_suffix(".json")
            if path.suffix == ".safetensors" and beside.is_file():
                return dataclasses.replace(load_descriptor(beside), weights_path=path if path.is_file() else None)
            hint = f"Run: reage models import {path} --name NAME, then use that name."
            raise ModelError("no-descriptor", f"{path} has no descriptor beside it, which tells how to use it.", hint)
        models, problems = self._scan()
        if str(name_or_path) in models:
            return models[str(name_or_path)]
        for problem in problems:
            if f"{name_or_path}.json" in problem.message:
                raise problem
        raise ModelError("unknown-model", f"There is no model {str(name_or_path)!r}.", nearest(path.name, models))

    def verify(self, name: str) -> ModelDescriptor:
        """Check a model's weights: SHA-256, names, shapes, finite values.

        Raises:
            ModelError: see :func:`nuke_reage.models.weights.load_weights`.
        """
        descriptor = self.get(name)
        load_weights(descriptor, architecture(descriptor.architecture))
        return descriptor

    def fetch(
        self,
        name: str,
        *,
        accept_licence: bool = False,
        progress: Progress | None = None,
        endpoint: str | None = None,
    ) -> ModelDescriptor:
        """Download a model's weights into the user's folder; nothing is done when they are there and whole.

        The SHA-256 of the published file is recorded the first time and must be the same ever after.

        Args:
            name: of a model with a hub file.
            accept_licence: the user has read the licence; needed where it forbids commercial use or says nothing.
            progress: called while bytes come in.
            endpoint: of the hub; None = the usual one.

        Raises:
            ModelError: ``not-fetchable``, ``licence-not-accepted``, ``checksum``, those of
                :func:`nuke_reage.models.hub.download` and of :meth:`import_weights`.
        """
        descriptor = self.get(name)
        if descriptor.installed:
            with contextlib.suppress(ModelError):
                return self.verify(name)
        if descriptor.hub is None:
            message = f"Model {name!r} is not on a hub."
            raise ModelError("not-fetchable", message, "Import its file: reage models import FILE --name NAME.")
        if not (descriptor.commercial_use or accept_licence):
            message = f"The licence of {name!r} has to be accepted first: {descriptor.licence}."
            hint = (
                f"Read {descriptor.url or descriptor.hub.repository}, then: reage models fetch {name} --accept-licence"
            )
            raise ModelError("licence-not-accepted", message, hint)
        staging = self._writable() / ".fetch"
        file = download(descriptor.hub, staging, progress=progress, endpoint=endpoint)
        try:
            state, found = read_checkpoint(file), sha256_of(file)
            hub = recorded_hub(descriptor.hub, descriptor.name, file, found)
            source, card = f"{hub.repository}/{hub.file}, sha256 `{found}`", descriptor.card()
            known = dataclasses.replace(descriptor, hub=hub)
            return self._install(file, state, known, "float32", source=source, card=card)
        finally:
            file.unlink(missing_ok=True)

    def import_weights(
        self,
        path: Path,
        name: str,
        *,
        like: str | None = None,
        dtype: Literal["float32", "float16"] = "float32",
        overwrite: bool = False,
    ) -> ModelDescriptor:
        """Take a checkpoint or safetensors file into the user's folder.

        What the template says of licence, training data and commercial use, and its card, is kept only for the same
        weights: those whose SHA-256 it has on record.

        Args:
            path: the file; nothing in it is executed.
            name: under which it will be known.
            like: model whose framing, canvas and ages it shares; None = the model of that name, else the only kind of
                model of its width.
            dtype: to store it in.
            overwrite: replace a model that is installed under that name.

        Raises:
            ModelError: ``name-taken``, ``which-framing``, ``checksum``, and those of
                :func:`nuke_reage.models.weights.read_checkpoint` and
                :func:`nuke_reage.models.weights.check_layout`.
        """
        models = self._models_with_room_for(name, overwrite)
        state = read_checkpoint(path)
        template, found = self._template(name, like, path, state, models), sha256_of(path)
        hub = template.hub if template.name == name else None
        if found == template.sha256 or (template.hub is not None and found == template.hub.sha256):
            known, card = dataclasses.replace(template, name=name, hub=hub), template.card()
        else:
            known, card = of_unknown_origin(template, name, path), ""
            if hub is not None:
                known = dataclasses.replace(known, hub=recorded_hub(hub, name, path, found))
        return self._install(path, state, known, dtype, source=f"{path.name}, sha256 `{found}`", card=card)

    def average(self, shares: Mapping[str, float], name: str, *, overwrite: bool = False) -> ModelDescriptor:
        """Install the mean of several models in the user's folder, as 16-bit floats.

        Args:
            shares: of each model, by name or file.
            name: under which the mean will be known.
            overwrite: replace a model that is installed under that name.

        Raises:
            ModelError: ``name-taken``, and those of :func:`nuke_reage.models.average.average`.
            UsageError: ``bad-share``.
        """
        self._models_with_room_for(name, overwrite)
        parts = [self.get(one) for one in shares]
        descriptor, state = average(parts, list(shares.values()), name)
        made_of = (
            f"{share:g} {one.name} (sha256 `{one.sha256}`)" for one, share in zip(parts, shares.values(), strict=True)
        )
        source = f"the mean of {', '.join(made_of)}"
        return self._install(self._writable() / name, state, descriptor, "float16", source=source)

    def _models_with_room_for(self, name: str, overwrite: bool) -> dict[str, ModelDescriptor]:
        models, _ = self._scan()
        if name in models and models[name].installed and not overwrite:
            raise ModelError("name-taken", f"A model {name!r} is installed.", "Choose another name, or overwrite it.")
        return models

    def _template(
        self, name: str, like: str | None, path: Path, state: StateDict, models: Mapping[str, ModelDescriptor]
    ) -> ModelDescriptor:
        if like is not None:
            return self.get(like)
        if name in models:
            return models[name]
        same = [
            one for one in models.values() if one.width == architecture(one.architecture).width_of(state, path.name)
        ]
        if len(same) != 1:
            message = f"How faces are framed for {name!r} cannot be told from its weights."
            raise ModelError("which-framing", message, f"Add --like with one of: {', '.join(sorted(models))}.")
        return same[0]

    def _install(
        self,
        path: Path,
        state: StateDict,
        descriptor: ModelDescriptor,
        dtype: Literal["float32", "float16"],
        *,
        source: str,
        card: str = "",
    ) -> ModelDescriptor:
        """Write weights, card and descriptor; source and card as in :func:`nuke_reage.models.provenance.write_card`."""
        family = architecture(descriptor.architecture)
        width = check_layout(state, family, descriptor.width if descriptor.hub else None, path)
        weights = self._writable() / f"{descriptor.name}.safetensors"
        save_weights(state, weights, dtype=dtype, metadata={"architecture": family.name, "width": str(width)})
        installed = dataclasses.replace(descriptor, width=width, weights_file=weights.name, sha256=sha256_of(weights))
        write_card(installed, weights.with_suffix(".md"), source=f"{source}, as {dtype}", known=card)
        save_descriptor(installed, weights.with_suffix(".json"))
        return load_descriptor(weights.with_suffix(".json"), origin="user")

    def _writable(self) -> Path:
        if not self.user_dirs:
            raise ModelError("unwritable", "There is no folder for own models.", "Set REAGE_MODELS to a folder.")
        return self.user_dirs[0]

    def _scan(self) -> tuple[dict[str, ModelDescriptor], tuple[ModelError, ...]]:
        models: dict[str, ModelDescriptor] = {}
        problems: tuple[ModelError, ...] = ()
        folders = [(self.bundled_dir, "bundled"), *((folder, "user") for folder in reversed(self.user_dirs))]
        for folder, origin in folders:
            for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
                try:
                    descriptor = load_descriptor(path, origin=origin)
                except ModelError as error:
                    problems += (error,)
                    continue
                hidden = models.get(descriptor.name)
                if hidden is not None and descriptor.card_path is None and same_weights(hidden, descriptor):
                    descriptor = dataclasses.replace(descriptor, card_path=hidden.card_path)
                models[descriptor.name] = descriptor
        return models, problems
