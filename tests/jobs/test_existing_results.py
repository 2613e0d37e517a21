import pytest

from napari_segkit.jobs import existing_results
from napari_segkit.jobs.existing_results import ExistingResults

PLAIN = {"flips": False, "passes": 1, "precision": "float32"}


@pytest.mark.parametrize(
    ("record", "settings", "is_other"),
    [
        ({"model": {"id": "a"}}, PLAIN, False),  # of a version without these settings
        ({"model": {"id": "a"}, **PLAIN}, PLAIN, False),
        ({"model": {"id": "a"}, **PLAIN, "flips": True}, PLAIN, True),
        ({"model": {"id": "a"}, **PLAIN}, PLAIN | {"precision": "bfloat16"}, True),
    ],
)
def test_how_the_network_was_applied_is_compared(record, settings, is_other, tmp_path, monkeypatch):
    (tmp_path / "a.tif").touch()
    monkeypatch.setattr(existing_results, "read_record", lambda _: record)
    monkeypatch.setattr(existing_results, "is_written", lambda _: True)
    found = ExistingResults(lambda file: [file], {"model": {"id": "a"}} | settings)
    assert found.made_otherwise(tmp_path / "a.tif") == is_other
