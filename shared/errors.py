"""The errors of the service.

ServiceError                        base; carries a stable `code` and a sentence for the user
├── ScanRefused                     the upload's fault; told to the user, never retried
│   ├── UnsupportedType      415    the content is no kind of scan we take
│   ├── ScanTooLarge         413    more bytes than the limit
│   ├── UnreadableScan       422    header or dimensions make no sense
│   └── BadUpload            400    no file, an empty file, a broken request body
├── RequestRefused                  the caller's fault
│   ├── NotAuthenticated     401
│   ├── NotAllowed           403
│   ├── NotFound             404    also for other people's things
│   ├── Conflict             409    the job's state does not allow it, or a reused idempotency key
│   ├── TooMany              429    throttled or over quota; carries retry_after_s
│   └── Invalid              400    a parameter or form field
└── InfrastructureError             ours; retried, logged with traceback
    ├── DatabaseUnavailable  503
    ├── StorageUnavailable   503
    └── StorageFull          507
"""


class ServiceError(Exception):
    """Base of all errors that reach a user."""

    code = "service_error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class ScanRefused(ServiceError):
    """The upload cannot become a job."""

    code = "scan_refused"
    # The file's place in its request, counted from 0, once that is known.
    index: int | None = None


class UnsupportedType(ScanRefused):
    """The content is not a kind of scan that is taken."""

    code = "unsupported_type"


class ScanTooLarge(ScanRefused):
    """The scan has more bytes than allowed."""

    code = "too_large"

    def __init__(self, detail: str, *, limit_bytes: int) -> None:
        super().__init__(detail)
        self.limit_bytes = limit_bytes


class UnreadableScan(ScanRefused):
    """The scan's header makes no sense or breaks a limit."""

    code = "unreadable_file"


class BadUpload(ScanRefused):
    """The request carries no usable file."""

    code = "bad_upload"


class RequestRefused(ServiceError):
    """The request cannot be served as asked."""

    code = "refused"


class NotAuthenticated(RequestRefused):
    """Nobody is logged in, or the token is unknown."""

    code = "not_authenticated"


class NotAllowed(RequestRefused):
    """The caller is known but may not do this."""

    code = "not_allowed"


class NotFound(RequestRefused):
    """There is no such thing, or it is somebody else's."""

    code = "not_found"


class Conflict(RequestRefused):
    """The thing's state does not allow this."""

    code = "conflict"


class TooMany(RequestRefused):
    """Throttled, or over a quota."""

    code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after_s: int, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Invalid(RequestRefused):
    """A parameter or form field has a value that is not accepted."""

    code = "invalid_request"


class InfrastructureError(ServiceError):
    """One of our parts does not answer; worth trying again."""

    code = "unavailable"


class DatabaseUnavailable(InfrastructureError):
    """The database does not answer."""

    code = "database_unavailable"


class StorageUnavailable(InfrastructureError):
    """The scan storage does not answer."""

    code = "storage_unavailable"


class StorageFull(InfrastructureError):
    """The scan storage has no space left."""

    code = "storage_full"
