"""Every error that rfiscan raises on purpose, each with the exit code of the command that met it.

RfiscanError              1
├── UsageError            2   options that contradict each other
├── MissingExtraError     3   an optional package is not installed
├── ConfigError           4   a configuration file or key is wrong
├── SceneError            5   a scene cannot be read, or holds nothing to read
├── ModelError            5   a model cannot be read
├── ModelFitError         6   a model does not fit the data
├── OutputError           7   a result cannot be written
├── ResourceError         8   memory, disk or device is exhausted
├── BatchError            9   some scenes of a batch failed
├── QualityGateError     10   the result fails a gate that the user set
└── ResumableError       75   interrupted, and can be resumed
"""

from __future__ import annotations


class RfiscanError(Exception):
    """An error with a message for the user: what, where, how to mend it.

    Attributes:
        hint: How to mend it, in one sentence; empty where the message says it.
        exit_code: Exit code of the command.
        told: True where another process, which works on the same, tells the user.
    """

    exit_code = 1
    told = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RfiscanError):
    """Options contradict each other or name what does not exist."""

    exit_code = 2


class MissingExtraError(RfiscanError):
    """An optional package is needed and not installed."""

    exit_code = 3


class ConfigError(RfiscanError):
    """A configuration file or one of its keys is wrong."""

    exit_code = 4


class SceneError(RfiscanError):
    """A scene cannot be read, or holds nothing to read."""

    exit_code = 5


class ModelError(RfiscanError):
    """A model cannot be read."""

    exit_code = 5


class ModelFitError(RfiscanError):
    """A model does not fit the data."""

    exit_code = 6


class OutputError(RfiscanError):
    """A result cannot be written."""

    exit_code = 7


class ResourceError(RfiscanError):
    """Memory, disk or device is exhausted."""

    exit_code = 8


class BatchError(RfiscanError):
    """Some scenes of a batch failed."""

    exit_code = 9


class QualityGateError(RfiscanError):
    """The result fails a gate that the user set."""

    exit_code = 10


class ResumableError(RfiscanError):
    """The run was interrupted and can be resumed."""

    exit_code = 75
