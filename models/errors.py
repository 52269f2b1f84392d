"""The two errors of this folder. `worker` gives the first to the user; the second keeps a worker from starting."""


class InvalidScan(Exception):
    """A scan cannot be used, and another try would not help.

    Attributes:
        code: stable, snake_case.
        detail: a sentence for the user; without names, file names or values from the file's tags.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ContractMismatch(Exception):
    """The network's file and its contract do not belong together."""
