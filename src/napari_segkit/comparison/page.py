"""One HTML page with all of a comparison, which needs no other file."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from math import isnan
from typing import TYPE_CHECKING

from napari_segkit.images.classes import LabelClass
from napari_segkit.images.pictures import Picture
from napari_segkit.io.pictures import picture_content

from .figures import TITLES
from .interval_plot import interval_plot
from .paired_tests import TEST
from .tables import ComparisonTables

if TYPE_CHECKING:
    from pandas import DataFrame

    from .views import View

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2em auto; max-width: 1200px;
  padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: 0.3em 0.8em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; font-family: ui-monospace, monospace; font-size: 0.85em; }
tr.best { font-weight: 600; background: #f0f6ee; }
small { color: #666; font-weight: 400; white-space: nowrap; }
.views { display: flex; gap: 8px; flex-wrap: wrap; margin-bottom: 1.5em; }
figure { margin: 0; } figcaption { font-size: 0.85em; max-width: 256px; overflow-wrap: anywhere; }
img { display: block; }
.key { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.3em 0 1em; }
pre { background: #f5f5f5; padding: 0.8em; overflow-x: auto; font-size: 0.85em; }
"""
KINDS = {
    "semantic": "Classes, pixel by pixel",
    "instance": "Objects, matched by overlap",
    "panoptic": "Panoptic segments",
}
COSTS = {
    "seconds_per_megapixel": ("s / megapixel", "{:.3g}"),
    "parameters": ("parameters", "{:,.0f}"),
    "file_mb": ("file, MB", "{:.3g}"),
}


def page_of(comparison: ComparisonTables) -> str:
    """The text of the page."""
    sections = [
        "<h1>Comparison</h1>",
        _about(comparison),
        _table(comparison),
        interval_plot(comparison),
        _section("Same view under each", "".join(_views(comparison))),
        _section("Metrics of each class or threshold", "".join(_reports(comparison))),
        _section("Paired tests", _tests(comparison)),
        _section("Each image", _images(comparison)),
        _section("Settings", "".join(_settings(comparison))),
        _section("Versions", _versions(comparison)),
        _section("Do it again", "".join(_repeat(comparison))),
    ]
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Comparison</title><style>{STYLE}</style></head>"
    )
    return f"{head}\n<body>\n{chr(10).join(filter(None, sections))}\n</body></html>\n"


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def _about(comparison: ComparisonTables) -> str:
    names, first = list(comparison.reports), next(iter(comparison.reports.values()))
    count = len(first.images)
    groups = f" in {len(first.groups)} groups" if comparison.unit == "group" else ""
    lines = [
        f"{KINDS[comparison.config.kind]}. {len(names)} compared on {count} "
        f"image{'s' * (count != 1)}{groups}.",
        comparison.summary(),
        *comparison.notes,
    ]
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _table(comparison: ComparisonTables) -> str:
    """The main table: pooled metrics, the means with their intervals below, costs."""
    titles = ["", *(TITLES[f] for f in comparison.figures), "p", "n"]
    titles += [title for title, _ in COSTS.values()]
    rows = []
    for row in comparison.table().to_dict("records"):
        cells = [escape(str(row["model"]))]
        for figure in comparison.figures:
            mean, low, high = (row[f"{figure}_{part}"] for part in ("mean", "low", "high"))
            interval = f"<br><small>{mean:.3f} [{low:.3f}, {high:.3f}]</small>"
            cells.append(_number(row[figure], "{:.4f}") + interval * (not isnan(low)))
        cells += [_number(row["p"], "{:.3g}"), str(row["n"])]
        cells += [_number(row[name], form) for name, (_, form) in COSTS.items()]
        rows.append((cells, row["model"] == comparison.best))
    what = (
        "Large: all pixels or objects pooled. Small: mean over "
        f"{comparison.unit}s and its 95 % interval. p: against the best, by the first metric."
    )
    return f"{_html_table(titles, rows)}<p><small>{what}</small></p>"


def _reports(comparison: ComparisonTables) -> Iterable[str]:
    for name, report in comparison.reports.items():
        notes = "".join(f"<p>{escape(n)}</p>" for n in (report.summary(), *report.notes))
        yield f"<details><summary>{escape(name)}</summary>{_frame(report.table())}{notes}</details>"


def _tests(comparison: ComparisonTables) -> str:
    tests = comparison.tests()
    if tests.empty or tests["p"].isna().all():
        return ""
    about = (
        f"{TITLES[comparison.figures[0]]} by {comparison.unit}: {TEST}. p_holm is adjusted for the "
        "number of pairs."
    )
    return f"<p>{escape(about)}</p>{_frame(tests)}"


def _images(comparison: ComparisonTables) -> str:
    """The first metric of each model on each image or group."""
    from pandas import DataFrame

    first = comparison.figures[0]
    table = DataFrame({name: comparison.values(name, first) for name in comparison.reports})
    if len(table) < 2:
        return ""
    about = f"<p>{escape(TITLES[first])} of each {comparison.unit}.</p>"
    return about + _frame(table.rename_axis(comparison.unit).reset_index())


def _views(comparison: ComparisonTables) -> Iterable[str]:
    if comparison.colors and comparison.views:
        yield _legend(comparison.classes)
    for view in comparison.views:
        yield _view(view, view.pictures(comparison.colors, objects=comparison.are_objects))


def _legend(classes: Sequence[LabelClass]) -> str:
    keys = (
        f'<span class="key" style="background:{escape(c.color)}"></span>{escape(c.name)}'
        for c in classes
    )
    return f"<p>{''.join(keys)}</p>"


def _view(view: "View", pictures: Sequence[tuple[str, Picture]]) -> str:
    figures = "".join(
        f'<figure><img alt="{escape(caption)}" src="{_data_url(picture)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, picture in pictures
    )
    return f'<p>{escape(view.name)}</p><div class="views">{figures}</div>'


def _settings(comparison: ComparisonTables) -> Iterable[str]:
    if comparison.repeat.device:
        yield f"<p>Predicted on: {escape(comparison.repeat.device)}.</p>"
    for name, settings in comparison.repeat.settings.items():
        rows = "".join(
            f'<tr><td>{escape(key)}</td><td class="text">{escape(text)}</td></tr>'
            for key, text in settings.items()
        )
        yield (
            f"<details><summary>{escape(name)}</summary>"
            f'<div class="scroll"><table>{rows}</table></div></details>'
        )


def _versions(comparison: ComparisonTables) -> str:
    found = ", ".join(f"{name} {number}" for name, number in comparison.repeat.versions.items())
    return f"<p>{escape(found)}</p>" if found else ""


def _repeat(comparison: ComparisonTables) -> Iterable[str]:
    if comparison.repeat.command:
        yield f"<p>Command</p><pre>{escape(comparison.repeat.command)}</pre>"
    if comparison.repeat.script:
        yield f"<p>Python</p><pre>{escape(comparison.repeat.script)}</pre>"


def _frame(table: "DataFrame") -> str:
    rows = [([_cell(value) for value in row], False) for row in table.itertuples(index=False)]
    return _html_table(list(map(str, table.columns)), rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return _number(value, "{:.4g}")
    return "" if value is None or str(value) == "<NA>" else escape(str(value))


def _number(value: float, form: str) -> str:
    return "" if isnan(value) else form.format(value)


def _html_table(titles: Sequence[str], rows: Sequence[tuple[Sequence[str], bool]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        f"<tr{' class=best' * is_best}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for cells, is_best in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _data_url(picture: Picture) -> str:
    file = BytesIO()
    picture_content(picture)(file)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
