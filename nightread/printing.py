"""What a person sees in the terminal: progress, a run's account, the worklist."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from nightread.shapes import (
    BreastShape,
    RejudgeDocument,
    ScreenDocument,
    WorklistDocument,
    WorklistItem,
)

_STYLES = {
    "urgent": "bold red",
    "not_scored": "bold magenta",
    "soon": "yellow",
    "routine": "default",
    "low": "dim",
}
_PIPED = 110  # columns
_PSEUDONYM = 12  # characters shown: enough to tell the studies of a screen apart


def terminal() -> Console:
    """Standard output: as wide as the terminal, or wide enough to read where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPED)


class _Rate(ProgressColumn):
    """Studies a minute, or nothing while there is nothing to divide."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{60 * speed:.1f}/min" if speed and task.total else "")


class Reporter:
    """Tells a terminal how far a run is."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._index = bars.add_task("index", total=None)
        self._screen = bars.add_task("screen", total=None, visible=False)
        self._listed = 0

    def listed(self, objects: int) -> None:
        self._listed += objects
        self._bars.update(self._index, description=f"index ({self._listed} objects)")

    def indexed(self, objects: int) -> None:
        self._bars.update(self._index, advance=objects)

    def to_screen(self, studies: int) -> None:
        self._bars.update(self._index, visible=False)
        self._bars.update(self._screen, total=studies, visible=studies > 0)

    def screened(self) -> None:
        self._bars.update(self._screen, advance=1)


class Silent:
    """Tells nobody."""

    def listed(self, objects: int) -> None: ...

    def indexed(self, objects: int) -> None: ...

    def to_screen(self, studies: int) -> None: ...

    def screened(self) -> None: ...


@contextmanager
def reporter(*, quiet: bool) -> Iterator[Reporter | Silent]:
    """Live progress on standard error, where that is a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Silent()
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bars:
        yield Reporter(bars)


def headline(document: ScreenDocument) -> str:
    """What a finished run did, in a sentence."""
    studies = document.studies
    if document.objects.listed == 0:
        return "Nothing to do: there is no object under this prefix."
    if studies.screened_now == 0 and studies.pending == 0:
        return f"Nothing to do: all {studies.known} studies are current under this release."
    return (
        f"Screened {studies.screened_now} studies in {document.seconds.total:.1f} s "
        f"({document.studies_per_minute:.1f} a minute)."
    )


def account(document: ScreenDocument, console: Console) -> None:
    """A run's summary: every object, instance and study is in one of its numbers."""
    studies, objects, instances = document.studies, document.objects, document.instances
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    table.add_row(
        "objects",
        str(objects.listed),
        f"{objects.with_instances} with instances, {objects.without_instance} without",
    )
    table.add_row(
        "instances",
        str(instances.indexed),
        f"{instances.accepted} accepted, {instances.excluded} excluded, "
        f"{instances.quarantined} quarantined",
    )
    table.add_row(
        "studies",
        str(studies.known),
        f"{studies.scored} scored, {studies.not_scored} not scored, {studies.pending} pending"
        + (f"; {studies.not_mammography} not mammography" if studies.not_mammography else ""),
    )
    _counts(table, "reasons", document.reasons)
    if document.not_scored_reasons:
        _counts(table, "not scored", document.not_scored_reasons)
    if document.header_bytes.read:
        read, needed = (n / 1e6 for n in (document.header_bytes.read, document.header_bytes.needed))
        table.add_row("headers", "", f"{read:.1f} MB read, of which {needed:.1f} needed")
    stages = document.seconds.by_stage.model_dump()
    table.add_row(
        "seconds",
        f"{document.seconds.total:.1f}",
        ", ".join(f"{name} {value:.1f}" for name, value in stages.items()),
    )
    console.print(table)


def changes(document: RejudgeDocument, console: Console) -> None:
    """What other rules or policies changed, the most frequent change first."""
    console.print(
        f"Judged {document.judged} instances again: {document.changed} changed. "
        f"{document.moved} objects belong to another site now."
    )
    for change in document.changes:
        console.print(f"{change.instances:>8}  {change.before} -> {change.after}")


def _counts(table: Table, name: str, counts: dict[str, int]) -> None:
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    table.add_row(name, "", ", ".join(f"{code} {n}" for code, n in listed))


def ranked(
    document: WorklistDocument, console: Console, truth: dict[str, str] | None = None
) -> None:
    """The worklist; `truth` (by study UID) adds what is known of phantoms."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("level")
    table.add_column("score", justify="right")
    table.add_column("p", justify="right")
    table.add_column("L/R", justify="center")
    table.add_column("study", no_wrap=True)
    table.add_column("most suspicious finding, remarks", overflow="fold", ratio=1)
    if truth is not None:
        table.add_column("truth", no_wrap=True)
    for item in document.items:
        cells = [
            str(item.rank),
            item.level.replace("_", " "),
            "–" if item.score is None else str(item.score),
            "" if item.probability is None else f"{item.probability:.2f}",
            f"{_breast(item.breasts.L)}/{_breast(item.breasts.R)}",
            item.pseudonym[:_PSEUDONYM],
            "; ".join(part for part in (_finding(item), _remarks(item)) if part),
        ]
        if truth is not None:
            cells.append(truth.get(item.study_uid, ""))
        table.add_row(*cells, style=_STYLES[item.level])
    console.print(table)
    counts = ", ".join(f"{n} {level.replace('_', ' ')}" for level, n in document.counts.items())
    more = f"; more with --after {document.next}" if document.next else ""
    console.print(f"{sum(document.counts.values())} studies: {counts}{more}", soft_wrap=True)


def _breast(breast: BreastShape | None) -> str:
    return "–" if breast is None else str(breast.score)


def _finding(item: WorklistItem) -> str:
    if not item.findings:
        return ""
    first = item.findings[0]
    more = len(item.findings) - 1
    return f"{first.kind}, {first.laterality} {first.view}, {first.location}" + (
        f" (+{more})" if more else ""
    )


def _remarks(item: WorklistItem) -> str:
    missing = [f"without {' '.join(item.missing_views)}"] if item.missing_views else []
    quiet = {"MISSING_VIEWS"}
    warnings = [w for w in item.warnings if w not in quiet and not w.startswith("W_")]
    read = [] if item.status == "unread" else [item.status]
    if item.aged:
        read.append("aged")
    return ", ".join([*read, *warnings, *missing])


@contextmanager
def steps(name: str, total: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """A bar on standard error that moves when the yielded function is called."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda: None
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bars:
        task = bars.add_task(name, total=total)
        yield lambda: bars.update(task, advance=1)
