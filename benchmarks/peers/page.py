"""Writes the measured part of docs/benchmarks.md from the results of all machines."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from .case import OWN, Group
from .figures import behind, number, quality, time_ratio, totals
from .results import Results

BEGIN = "<!-- peers:begin, written by `make peers` -->"
END = "<!-- peers:end -->"
NOTHING = "No machine has run it yet."
Row = Mapping[str, Any]


def rewrite(text: str, results: list[Results], groups: Mapping[str, Group]) -> str:
    """The page with its measured part replaced."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no lines {BEGIN} and {END}: the tables go between them.")
    parts = [_machine(each, groups) for each in results] or [NOTHING]
    return "\n\n".join([before + BEGIN, *parts, END + after])


def update(page: Path, results: list[Results], groups: Mapping[str, Group]) -> None:
    page.write_text(rewrite(page.read_text("utf-8"), results, groups), encoding="utf-8")


def _machine(results: Results, groups: Mapping[str, Group]) -> str:
    machine = results.machine
    lines = [
        f"### {machine['processor']}, {machine['cores']} cores",
        f"{machine['system']}, {machine['memory']} of memory, Python {machine['python']}.",
    ]
    known = {key: group for key, group in groups.items() if results.groups.get(key)}
    for key, group in known.items():
        lines += _group(key, group, results.groups[key])
    losses = [
        f"- {known[key].title}, {name}, {peer}: {'; '.join(what)}"
        for key in known
        for name, row in results.groups[key].items()
        for peer, what in behind(row, known[key].quality).items()
    ]
    where = "\n".join(losses) if losses else "Nowhere in these rows."
    lines += ["#### Where SegKit is behind", where]
    return "\n\n".join(lines)


def _group(key: str, group: Group, rows: Mapping[str, Row]) -> list[str]:
    measured = {name: row for name, row in rows.items() if "sides" in row}
    lines = [f"#### {group.title}", f"`python -m benchmarks.peers {key}`: {group.about}"]
    if measured:
        lines += [_versions(measured), _table(group, measured)]
    skipped = [f"{name}: {row['skipped']}" for name, row in rows.items() if "skipped" in row]
    lines += [f"Not measured: {'; '.join(skipped)}."] if skipped else []
    return lines


def _versions(rows: Mapping[str, Row]) -> str:
    found: dict[str, set[str]] = {}
    for row in rows.values():
        for record in row["sides"].values():
            for name, version in record.get("versions", {}).items():
                found.setdefault(name, set()).add(version)
    dates = sorted(row["date"] for row in rows.values())
    days = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    names = [f"{name} {' and '.join(sorted(each))}" for name, each in found.items()]
    return f"{days}; {', '.join(names)}."


def _table(group: Group, rows: Mapping[str, Row]) -> str:
    metrics = [m for m in group.quality if any(map(_has(m), rows.values()))]
    timed = any(totals(record) for row in rows.values() for record in row["sides"].values())
    head = ["", "threads", "beside"]
    head += [f"{m}: {who}" for m in metrics for who in (OWN, "peer")]
    if timed:
        head += [f"{OWN} ({group.unit})", f"peer ({group.unit})", "ratio of time", "of CPU time"]
    lines = [[*head, "other CPU"], ["---"] * (len(head) + 1)]
    for name, row in rows.items():
        lines += _lines(name, row, metrics, timed)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _has(metric: str) -> Any:
    return lambda row: any(metric in r.get("quality", {}) for r in row["sides"].values())


def _lines(name: str, row: Row, metrics: list[str], timed: bool) -> Iterator[list[str]]:
    own = row["sides"][OWN]
    peers = [(peer, record) for peer, record in row["sides"].items() if peer != OWN]
    for count, (peer, record) in enumerate(peers):
        first = ["", ""] if count else [_named(name, own), str(row["threads"])]
        about = f"{peer}: {record['missing']}" if "missing" in record else peer
        values = [number(quality(side, m)) for m in metrics for side in (own, record)]
        times = [seconds(own), seconds(record), *_ratios(own, record)] if timed else []
        yield [*first, about, *values, *times, "" if count else f"{row['other_cpu']:.1f}"]


def _named(name: str, own: Row) -> str:
    return f"{name} ({OWN}: {own['missing']})" if "missing" in own else name


def _ratios(own: Row, record: Row) -> list[str]:
    ratios = [time_ratio(own, record, kind) for kind in ("seconds", "cpu")]
    return ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]


def seconds(record: Row) -> str:
    """Median of each part, and the smallest and largest total."""
    if not (all_runs := totals(record)):
        return ""
    parts = " + ".join(_digits(median(values)) for values in record["seconds"].values())
    if len(all_runs) == 1:
        return parts
    return f"{parts} ({_digits(min(all_runs))}-{_digits(max(all_runs))})"


def quality_text(record: Row, metric: str) -> str:
    return number(quality(record, metric))


def _digits(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
