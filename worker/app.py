"""The workers' door: `celery --quiet -A worker.app worker --without-gossip --without-mingle --without-heartbeat`.

Checks the model before anything is claimed; opens no session, for onnxruntime must not be forked.
"""

import logging
import sys
from typing import Any

from celery import signals

from models.contract import load_contract
from models.errors import ContractMismatch
from shared.logs import set_up_logging
from shared.queue import make_celery
from shared.settings import load_settings
from worker.keeper import Keeper
from worker.tasks import register

logger = logging.getLogger(__name__)

settings = load_settings()
app = make_celery(settings.effective_redis_url)
app.conf.worker_concurrency = settings.worker_processes
register(app, settings)
keeper = Keeper(app, settings)


@signals.setup_logging.connect
def log_as_we_do(**_: Any) -> None:
    """Keep Celery from setting up its own log format."""
    set_up_logging()


@signals.worker_init.connect
def check_model(**_: Any) -> None:
    """Refuse to start with a model that is not what its contract says."""
    try:
        contract = load_contract(settings.model_dir)
        if not contract.knows_liver:
            raise ContractMismatch("It knows tumor alone; a result tells of the liver too.")
    except ContractMismatch as error:
        logger.critical("model refused: %s", error)
        sys.exit(2)
    keeper.model_sha256 = contract.sha256
    logger.info("model=%s version=%s sha256=%s", contract.name, contract.version, contract.sha256[:12])


@signals.worker_ready.connect
def start_keeper(sender: Any, **_: Any) -> None:
    """Begin to keep house once the children are forked; `sender` is the consumer."""
    keeper.start(sender)


@signals.worker_shutting_down.connect
def stop_keeper(**_: Any) -> None:
    """End the keeper with the worker."""
    keeper.stop()
