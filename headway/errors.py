"""One exception type for each kind of cause that a caller can act on.

Every message names what is wrong, which file or topic, and what to do. The command line prints it in one or two
lines and ends with `exit_code`; a traceback is shown only with `--debug`.
"""


class HeadwayError(Exception):
    """Base of all errors that headway raises on purpose."""

    exit_code = 1


class UsageError(HeadwayError):
    """The caller asked for something that does not exist or cannot be (wrong option, missing folder)."""

    exit_code = 2


class ModelError(HeadwayError):
    """A model folder is missing, incomplete, or its files do not match the hashes in its manifest."""


class EngineError(HeadwayError):
    """An inference engine could not be opened, or failed while running."""


class AbandonedError(HeadwayError):
    """An engine's call was given up because it hung: its result, should it ever come, is nobody's any more."""


class BagError(HeadwayError):
    """A bag cannot be read at all, or lacks what was asked of it."""


class FrameError(HeadwayError):
    """One image, or the input that came with it, cannot be used; the next one may be fine."""


class ConfigError(UsageError):
    """A configuration value is out of range or of the wrong kind."""


class MissingDependencyError(HeadwayError):
    """An optional package or a system library is not installed."""
