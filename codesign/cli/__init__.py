"""The command line: a front end without logic. Each file of this package adds one group of commands.

Exit codes: 0 done, 2 wrong input, 3 done but nothing feasible, 130 interrupted.
"""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from typing import NoReturn

import typer

from hw_models.errors import CodesignError

GROUPS = (
    "demo",
    "networks",
    "coverage",
    "costs",
    "chips",
    "search",
    "front",
    "measure",
    "validation",
    "bench",
)
"""Files of this package that hold commands, in the order of the help page."""


def build_app() -> typer.Typer:
    """The whole command line; the files that hold the commands load nothing heavy until a command runs."""
    app = typer.Typer(
        name="codesign",
        help="Which neural network should run, and on which chip? Both answered together, with evidence.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for group in GROUPS:
        import_module(f"codesign.cli.{group}").register(app)
    return app


def main(args: list[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code; a user's mistake is one message, never a traceback."""
    try:
        build_app()(args)
    except CodesignError as error:
        _leave(str(error), 2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _leave(f"no space left while writing {error.filename or 'a file'}; free some and run it again", 2)
    sys.exit(0)


def _leave(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(code)
