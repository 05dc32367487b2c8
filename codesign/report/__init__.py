"""The report of a search: one HTML file that needs no network and says where every number is from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codesign.search.results import Results

__all__ = ["write_report"]


def write_report(
    results: Results | str | Path, path: str | Path | None = None, *, pick: int | None = None
) -> Path:
    """Write the report of a study or of a run folder, finished or not.

    Args:
        results: a study, or the folder of a run.
        path: file to write; None: report.html in the run folder.
        pick: number of the trial to describe in detail; None: the knee of the front.

    Raises:
        StorageError: no run in the folder, or the file cannot be written; an older report stays as it was.
        InputError: nothing has been evaluated yet.
    """
    from codesign.report.gather import gather
    from codesign.report.page import render
    from codesign.search.results import Results, Run
    from hw_models.errors import InputError, StorageError

    run = results if isinstance(results, Results) else Run(results)
    if not run.trials:
        where = f"{run.folder.path}" if run.folder else "the study"
        msg = (
            f"{where} has no trials yet, expected at least one; run it first: codesign search resume {where}"
        )
        raise InputError(msg)
    target = Path(path) if path is not None else run.folder.report if run.folder else Path("report.html")
    html = render(gather(run, pick=pick))
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(html, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        msg = f"{target} cannot be written: {error.strerror or error}; give another file with --out"
        raise StorageError(msg) from error
    return target
