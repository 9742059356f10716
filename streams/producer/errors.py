"""What this library raises itself. Errors of the server and of the connection come from redis-py, unchanged."""

from redis.exceptions import DataError


class ProducerError(RuntimeError):
    """Base of the errors below."""


class NotInitialized(ProducerError):
    """There is no stream manager in this process yet."""


class NotStarted(ProducerError):
    """An entry was to be added before the limits were read, so it would have been added without one."""


class InvalidField(ProducerError, DataError):
    """An entry can't be sent, and was not; the message names the field. It is redis-py's DataError, too."""
