"""Log lines: UTC time, level, logger, `key=value` text; never a secret, a patient's or user's name, or a file name."""

import logging
import sys
import time
import warnings


class OneLine(logging.Formatter):
    """A formatter that keeps each record on one line, whatever a request put into it."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the base class's name)
        """Return the line with control characters escaped, so that nobody can forge a second one."""
        line = super().formatMessage(record)
        if line.isprintable():
            return line
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def set_up_logging(level: int = logging.INFO) -> None:
    """Send all log lines to standard error in our format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("celery.worker.strategy", "celery.app.trace", "botocore", "aiobotocore", "s3fs"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It quotes what it finds in a patient's file.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="pydicom")
