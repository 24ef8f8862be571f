"""Networks that stay loaded between jobs."""

from __future__ import annotations

import time

from nuke_reage.core.job import JobSpec
from nuke_reage.core.site import Site
from nuke_reage.models.backends import Predictor, create_predictor
from nuke_reage.models.backends.base import Ages, Image
from nuke_reage.models.descriptor import ModelDescriptor

__all__ = ["PredictorCache", "Stopwatch"]


class PredictorCache:
    """Keeps the network of the last job warm for the next one."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._predictor: Predictor | None = None

    def get(self, descriptor: ModelDescriptor, job: JobSpec, site: Site) -> Predictor:
        """The predictor that a job asks for."""
        device = site.device if job.model.device == "auto" and site.device else job.model.device
        # The whole descriptor: what is done beside the network hangs on it too.
        key = (descriptor, device, job.model.precision, job.model.backend)
        if self._predictor is None or key != self._key:
            self._predictor = None
            self._predictor = create_predictor(
                descriptor,
                device=device,
                precision="fast" if job.model.precision == "fast" else "exact",
                backend=job.model.backend,
            )
            self._key = key
        return self._predictor


class Stopwatch:
    """A predictor that adds up how long it runs; loading and compiling count where they fall into a call.

    Args:
        predictor: the network.

    Attributes:
        seconds: so far.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.name = predictor.name
        self.descriptor = predictor.descriptor
        self.seconds = 0.0

    def predict(
        self, rgb: Image, source_age: Ages, target_age: Ages, *, window: tuple[slice, slice] | None = None
    ) -> Image:
        """As the predictor's own."""
        begin = time.perf_counter()
        try:
            return self._predictor.predict(rgb, source_age, target_age, window=window)
        finally:
            self.seconds += time.perf_counter() - begin
