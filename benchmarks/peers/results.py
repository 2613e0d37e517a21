"""The results of one machine: a file of JSON lines; a row that is run again replaces its own."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "results"
Row = dict[str, Any]


@dataclass
class Results:
    """Rows by group and name, and the machine they were measured on."""

    machine: dict[str, str | int]
    groups: dict[str, dict[str, Row]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> "Results":
        first, *rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        found = cls(first["machine"])
        for row in rows:
            found.groups.setdefault(row.pop("group"), {})[row.pop("row")] = row
        return found

    def put(self, group: str, name: str, row: Row) -> None:
        """Replace a row; one that was skipped replaces none that was measured."""
        rows = self.groups.setdefault(group, {})
        if "skipped" not in row or "sides" not in rows.get(name, {}):
            rows[name] = row

    def write(self, file: Path) -> None:
        """A line for the machine and one for each row."""
        file.parent.mkdir(parents=True, exist_ok=True)
        lines: list[dict[str, Any]] = [{"machine": self.machine}]
        for group, rows in self.groups.items():
            lines += [{"group": group, "row": name, **row} for name, row in rows.items()]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        file.write_text(text, encoding="utf-8")


def read_all(folder: Path) -> list[Results]:
    return [Results.read(file) for file in sorted(folder.glob("*.jsonl"))]
