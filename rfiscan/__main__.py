"""Run the command line, and turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence

from rfiscan import console
from rfiscan.errors import ResourceError, RfiscanError

EXIT_BUG = 1
EXIT_INTERRUPTED = 130


def main(args: Sequence[str] | None = None) -> int:
    """Run `rfiscan` and return its exit code.

    Args:
        args: Arguments after the program's name; those of the process if None.
    """
    _silence_libraries()
    _let_threads_sleep()
    try:
        from rfiscan.cli import app

        app(args=args, prog_name="rfiscan")
    except SystemExit as ending:  # Typer always ends this way
        return _exit_code(ending)
    except RfiscanError as error:
        return _show_failure(error)
    except MemoryError as error:
        return _show_failure(ResourceError("out of memory", hint="Close other programs and try again."), error)
    except KeyboardInterrupt:
        return _exit_code(SystemExit(EXIT_INTERRUPTED))
    except Exception as error:  # a bug must not look like anything else
        console.show_error(
            f"unexpected {type(error).__name__}: {error}",
            "" if console.is_verbose() else "This is a bug in rfiscan; -v shows where it happened.",
        )
        if console.is_verbose():
            console.show_traceback(error)
    return EXIT_BUG


def _show_failure(error: RfiscanError, origin: BaseException | None = None) -> int:
    if not error.told:
        console.show_error(str(error), error.hint)
    if console.is_verbose():
        console.show_traceback(origin or error)
    return error.exit_code


def _exit_code(ending: SystemExit) -> int:
    if isinstance(ending.__context__, BrokenPipeError):  # of which Typer and rich, for help and version, make 1
        return console.EXIT_BROKEN_PIPE
    code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else EXIT_BUG
    if code == EXIT_INTERRUPTED:
        console.show_error("interrupted")
    return code


def _silence_libraries() -> None:
    """Keep what libraries tell developers off the terminal; rfiscan says what users need to know itself."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def _let_threads_sleep() -> None:
    """Let torch's threads sleep while they wait for each other, which OpenMP reads when torch is loaded.

    They spin otherwise, and take the core from the very thread that they wait for as soon as anything else runs on the
    machine: on two busy cores a scene then takes two to three times as long (docs/performance.md).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


if __name__ == "__main__":
    sys.exit(main())
