"""What ``vigil demo`` runs: make the project, play the year through the loop, show what came of it.

A second run goes on where the first was stopped; deleting the folder starts anew.
"""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from vigil.errors import VigilError
from vigil.project import Project

MODEL = "flight-delay"
TEMPLATE = Path(__file__).parent / "project"
CACHE = "data/feed/flights.parquet"  # the world as it was: the demo's own, not part of the log


def run(folder: Path, console: Console) -> None:
    """Play the year in ``folder`` and print what came of it.

    Raises:
        VigilError: the folder holds something else, or the flights are not installed.
    """
    # Set before scikit-learn is loaded: its threads leave a core to Prefect's server, and sleep while they wait.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    began = time.monotonic()
    made = make_project(folder)
    console.print(
        f"A year of real flights, played week by week in [bold]{escape(str(folder))}[/] (delete it to start anew): two to five minutes."
        if made
        else f"Going on in [bold]{escape(str(folder))}[/], which is there already (delete it to start anew)."
    )
    project = Project.open(folder)
    play_year(project, console)
    from examples.flights.show import show_year

    show_year(project, MODEL, project.path(CACHE), console)
    console.print(f"\n{time.monotonic() - began:.0f} s.")


def make_project(folder: Path) -> bool:
    """Copy the template; False where the project is there already, and is left as it is.

    ``vigil.yaml`` comes last, so that a killed copy is made again.

    Raises:
        VigilError: the folder holds files that are not the demo's.
    """
    if (folder / "vigil.yaml").is_file():
        if not (folder / "models" / f"{MODEL}.yaml").is_file():
            raise VigilError(f"{folder} holds another project; name a new folder: vigil --project FOLDER demo")
        return False
    sources = [path for path in sorted(TEMPLATE.rglob("*")) if path.suffix in (".yaml", ".py")]
    ours = {path.relative_to(TEMPLATE).parts[0] for path in sources}
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - ours):
        raise VigilError(f"{folder} is not empty; name a new folder: vigil --project FOLDER demo")
    for source in sorted(sources, key=lambda path: path.name == "vigil.yaml"):
        target = folder / source.relative_to(TEMPLATE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return True


def play_year(project: Project, console: Console) -> None:
    """Adopt version 1, then for each week: flights are scored and logged, labels arrive, the week is looked at and decided.

    At the end the last week's review session is written, as it would be every Monday.
    """
    from flows.settings import start_own_server, use_project, without_heartbeats

    use_project(project)
    server = start_own_server()  # its start passes while the flights are read
    spec, folder = project.model(MODEL), str(project.folder)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console, transient=True
    )
    with bar, without_heartbeats():
        step = bar.add_task("reading the flights", total=None)
        from examples.flights.drawing import drawing
        from examples.flights.feed import cached_flights
        from examples.flights.play import play, spans, write_reference
        from flows.adopt import adopt
        from flows.monitor import monitor
        from flows.review import review

        flights = cached_flights(project.path(CACHE))
        year = spans(spec)
        flights = flights[flights["event_time"] < year[-1].window.end]  # the last days of December are not a whole week
        write_reference(project.folder, flights, spec)
        bar.update(step, description="training and registering version 1")
        if server is not None:
            server.wait()
        with project.store() as store:
            if store.champion(MODEL) is None:
                adopt(folder, MODEL, by="the demo", as_of=year[0].start.isoformat())
            first = store.versions(MODEL)[0].version
        models = Versions(project)
        frozen = models[first]
        bar.update(step, total=len(year))
        with drawing(folder) as reports, collecting_seldom():
            for decision_id in decided(project):
                reports.of(decision_id)
            for span in year:
                bar.update(step, description=f"the week of {span.window.start:%d %B}")
                if not is_decided(project, span.window.start):
                    champion = models.champion()
                    play(project.folder, flights, span, champion, models[champion], frozen)
                    start, as_of = span.window.start.isoformat(), span.end.isoformat()
                    reports.of(monitor(folder, MODEL, start, as_of, report="later")["decision_id"])
                bar.advance(step)
            bar.update(step, description="listing what a person should look at")
            review(folder, as_of=year[-1].end.isoformat())
            bar.update(step, description="drawing the last reports")
            reports.wait()


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for garbage seldom: the libraries' million objects stay, and looking through them again and again takes a tenth of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def decided(project: Project) -> tuple[str, ...]:
    """Return the decisions that an earlier run made: a killed one may have left their reports undrawn."""
    with project.store() as store:
        return tuple(decision.decision_id for decision in store.decisions(MODEL))


def is_decided(project: Project, start: datetime) -> bool:
    """Tell whether the window that starts then was decided about, and what was decided is done."""
    from vigil.decision.pending import unfinished

    with project.store() as store:
        decisions = store.decisions(MODEL)
        open_ones = unfinished(decisions, store.retrainings(MODEL))
    return any(d.window.start == start for d in decisions) and not any(d.window.start == start for d in open_ones)


class Versions(dict[str, Any]):
    """Registered versions of the model by name, each loaded once."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project

    def champion(self) -> str:
        """Return the version that serves now."""
        with self.project.store() as store:
            found = store.champion(MODEL)
        if found is None:
            raise VigilError(f"{MODEL} has no champion; delete {self.project.folder} and run the demo again")
        return found.version

    def __missing__(self, version: str) -> Any:
        from tasks.registry import Registry

        self[version] = Registry(self.project).load_model(MODEL, version)
        return self[version]
