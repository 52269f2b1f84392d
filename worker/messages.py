"""Doorbells of any form: whoever can write to Redis must not be able to stop a worker."""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return what takes a task's messages, as Celery does, but refuses those it cannot make sense of.

    Celery 5.7.0 lets the error of a message whose body is no triple out of the consumer: the worker ends, the message
    goes back to the queue, and the next worker ends too.
    """
    take = default(task, app, consumer, **options)

    def take_or_refuse(message: Any, *given: Any, **named: Any) -> Any:
        try:
            return take(message, *given, **named)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise InvalidTaskError("The message has another form than a doorbell's.") from error

    return take_or_refuse
