"""BentoML: two workers. Stores nothing."""

from pathlib import Path
from typing import Any

import bentoml

from bench.peers.work import analyse, segmenter


@bentoml.service(workers=2, traffic={"timeout": 120, "max_concurrency": 128})
class Screening:
    """The network as BentoML wants it."""

    def __init__(self) -> None:
        segmenter()

    @bentoml.api
    def predict(self, scan: Path) -> dict[str, Any]:
        """Analyse the form's file."""
        return analyse(scan.read_bytes())
