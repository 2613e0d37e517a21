"""The results of one machine: a JSON file in which each row is replaced when it is run again."""

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
        content = json.loads(file.read_text(encoding="utf-8"))
        return cls(content["machine"], content["groups"])

    def put(self, group: str, name: str, row: Row) -> None:
        """Replace a row; one that was skipped replaces none that was measured."""
        rows = self.groups.setdefault(group, {})
        if "skipped" not in row or "sides" not in rows.get(name, {}):
            rows[name] = row

    def keep(self, group: str, names: list[str]) -> None:
        """Rows of a group in this order; those that there are no longer are left out."""
        rows = self.groups.get(group, {})
        self.groups[group] = {name: rows[name] for name in names if name in rows}

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": self.machine, "groups": self.groups}
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_all(folder: Path) -> list[Results]:
    return [Results.read(file) for file in sorted(folder.glob("*.json"))]
