"""Networks that stay loaded between jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nuke_reage.core.job import JobSpec
from nuke_reage.core.site import Site
from nuke_reage.models.descriptor import ModelDescriptor

if TYPE_CHECKING:
    from nuke_reage.models.backends import Predictor

__all__ = ["PredictorCache"]


class PredictorCache:
    """Keeps the network of the last job warm for the next one."""

    def __init__(self) -> None:
        self._key: tuple[str, ...] = ()
        self._predictor: Predictor | None = None

    def get(self, descriptor: ModelDescriptor, job: JobSpec, site: Site) -> Predictor:
        """The predictor that a job asks for."""
        device = site.device if job.model.device == "auto" and site.device else job.model.device
        key = (str(descriptor.weights_path), descriptor.sha256, device, job.model.precision, job.model.backend)
        if self._predictor is None or key != self._key:
            from nuke_reage.models.backends import create_predictor

            self._predictor = None
            self._predictor = create_predictor(
                descriptor,
                device=device,
                precision="fast" if job.model.precision == "fast" else "exact",
                backend=job.model.backend,
            )
            self._key = key
        return self._predictor
