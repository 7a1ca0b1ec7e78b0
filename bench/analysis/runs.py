"""Where runs are: folders computed here, and the published ones that come with a checkout."""

from pathlib import Path

from bench.run.records import records_path

Run = str | Path


def is_run(folder: Path) -> bool:
    """Whether a folder holds the records of a run."""
    return records_path(folder) is not None


def published_runs() -> dict[str, Path]:
    """The runs that come with a checkout, by name; an installed package has none."""
    roots = (Path.cwd(), Path(__file__).parents[2])
    found: dict[str, Path] = {}
    for root in roots:
        for folder in sorted((root / "results" / "published").glob("*/")):
            if is_run(folder):
                found.setdefault(folder.name, folder)
    return found


def locate(run: Run) -> Path:
    """The folder of a run, or of the published run of that name.

    Raises:
        ValueError: there is neither.
    """
    folder = Path(run)
    if is_run(folder):
        return folder
    published = published_runs()
    if str(run) in published:
        return published[str(run)]
    there = f"published are {', '.join(published)}" if published else "none is published here"
    raise ValueError(f"no results in {run}: no folder with records.jsonl, and {there}")


def newest_run(folder: Path = Path("results")) -> Path:
    """The folder below results/ whose records are newest.

    Raises:
        ValueError: nothing was computed here.
    """
    found = [path for path in folder.glob("*/records.jsonl") if path.is_file()]
    if not found:
        raise ValueError(f"no results: no run was computed below {folder}/; name a RUN")
    return max(found, key=lambda path: path.stat().st_mtime).parent
