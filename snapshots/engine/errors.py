"""What can be wrong with a value, a document or a chain. Each message is one sentence that names the thing."""


class SnapshotError(Exception):
    """The root of everything that snapshots raise on purpose."""


class Unpublishable(SnapshotError):
    """A value that JSON cannot say; the message names the symbol and the field."""


class DocumentUnreadable(SnapshotError):
    """Bytes that are no document of a version that this reader knows."""


class ChainBroken(SnapshotError):
    """A document that does not continue the state at hand, or continues it into another state than the writer's."""


class ChecksumMismatch(ChainBroken):
    """The state is not the one that its writer had."""
