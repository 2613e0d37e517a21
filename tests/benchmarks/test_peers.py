"""The command behind `make peers`: rows of a fake peer, the page, ratios, strokes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageio.v3 import imwrite
from scipy.ndimage import label

from benchmarks.peers import figures, page
from benchmarks.peers.case import OWN, Case, Group, Side, Sources, Trial
from benchmarks.peers.groups import GROUPS
from benchmarks.peers.images import Images
from benchmarks.peers.processes import ROOT, Workers
from benchmarks.peers.results import FOLDER, Results, read_all
from benchmarks.peers.rows import instances
from benchmarks.peers.runner import measure
from benchmarks.peers.strokes import BUDGETS, equal_budgets, strokes

# Runs as a side in a worker: the sum of the numbers, with work in two parts.
FAKE = """
def add(arrays, extra=0):
    import sys
    print("a library that prints to the standard output")
    yield None
    total = arrays["numbers"].sum()
    yield "train"
    total += extra
    yield "predict"
    return {"total": total}

def fail(arrays):
    yield None
    raise RuntimeError("no such file: /home/someone/weights.pt")

def die(arrays):
    import os
    os._exit(3)
    yield None
"""
TEXT = f"# Benchmarks\n\nwritten by hand\n\n{page.BEGIN}\n\nold\n\n{page.END}\n\nmore\n"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    (tmp_path / "fake_peer.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workers = Workers(tmp_path / "no environment")
    yield workers
    workers.close()


def a_case(*calls, **options):
    names = [OWN, "peer", "another"]
    sides = [
        Side(name, f"fake_peer:{call}", ("numpy",), {}, own=True)
        for name, call in zip(names, calls, strict=False)
    ]
    trials = [Trial({"numbers": np.arange(5)}, {"total": np.array(10)}, megapixels=2.0)]

    def quality(trial, results):
        difference = {n: abs(int(r["total"]) - trial.truth["total"]) for n, r in results.items()}
        return {name: {"error": float(value)} for name, value in difference.items()}

    return replace(Case("sum", lambda: trials, tuple(sides), 1, quality), **options)


def test_sides_take_turns_and_both_are_measured(fake):
    row = measure(a_case("add", "add"), fake, repeats=2)
    for name in (OWN, "peer"):
        record = row["sides"][name]
        assert record["quality"] == {"error": [0.0]}
        assert {part: len(v) for part, v in record["seconds"].items()} == {"train": 2, "predict": 2}
        assert record["versions"] == {"numpy": np.__version__}
    assert row["threads"] == 1
    assert row["other_cpu"] >= 0


def test_a_peer_that_fails_is_named_in_its_row_and_the_others_go_on(fake):
    row = measure(a_case("add", "fail", "die"), fake, repeats=1)
    assert row["sides"]["peer"] == {"missing": "RuntimeError: no such file: …"}
    assert "its process ended" in row["sides"]["another"]["missing"]
    assert row["sides"][OWN]["quality"] == {"error": [0.0]}


def test_a_peer_that_was_not_installed_says_why(fake):
    case = a_case("add", "add")
    sides = case.sides[0], replace(case.sides[1], own=False, packages=("fake",))
    row = measure(replace(case, sides=sides), fake, repeats=1)
    assert "make peers" in row["sides"]["peer"]["missing"]
    fake.peers.joinpath("bin").mkdir(parents=True)
    fake.peers.joinpath("bin/python").touch()
    why = {"fake": {"reason": "no wheel for this Python"}}
    fake.peers.joinpath("packages.json").write_text(json.dumps(why))
    row = measure(replace(case, sides=sides), fake, repeats=1)
    assert row["sides"]["peer"] == {"missing": "no wheel for this Python"}


def record(seconds, quality=None):
    made = {"seconds": {"all": seconds}, "cpu": {"all": seconds}, "versions": {"x": "1"}}
    return made | ({"quality": {"IoU": quality}} if quality else {})


def a_row(own, peer):
    return {"date": "2026-01-02", "threads": 2, "other_cpu": 0.1, "sides": {OWN: own, "p": peer}}


def test_ratio_is_of_medians_and_behind_is_told():
    own = {"seconds": {"train": [1.0, 9.0, 2.0], "predict": [1.0, 1.0, 1.0]}}
    assert figures.totals(own) == [2.0, 10.0, 3.0]
    assert figures.time_ratio(own, {"seconds": {"all": [1.0, 1.5, 2.0]}}) == 2.0
    assert figures.time_ratio(own, {}) is None
    row = a_row(record([1.0], [0.80, 0.90]), record([2.0], [0.90, 0.90]))
    assert figures.behind(row, {"IoU": "higher"}) == {"p": ["IoU 0.850 against 0.900"]}
    assert figures.behind(row, {"IoU": "lower"}) == {}
    row = a_row(record([1.0], [0.8996]), record([2.0], [0.9004]))
    assert figures.behind(row, {"IoU": "higher"}) == {}  # 0.900 on the page, both
    row = a_row(record([3.0]), record([2.0]))
    assert figures.behind(row, {"IoU": "higher"}) == {"p": ["1.50 times its time"]}


def test_page_is_written_between_its_lines_and_twice_is_the_same():
    groups = {"g": Group("Sums", "sums.", lambda sources: [], {"IoU": "higher"})}
    machine = {"processor": "X", "cores": 2, "memory": "8 GB", "system": "Linux", "python": "3.11"}
    results = Results(machine)
    results.put("g", "a", a_row(record([1.0, 3.0, 2.0], [0.8]), record([4.0], [0.9])))
    results.put("g", "b", a_row(record([1.0], [0.8]), {"missing": "not for this Python"}))
    results.put("g", "c", {"skipped": "needs images"})
    text = page.rewrite(TEXT, [results], groups)
    assert "old" not in text
    assert text.startswith("# Benchmarks\n\nwritten by hand\n")
    assert text.endswith("more\n")
    assert "| a | 2 | p | 0.800 | 0.900 | 2.00 (1.00-3.00) | 4.00 | 0.50 | 0.50 | 0.1 |" in text
    assert "p: not for this Python" in text
    assert "Not measured: c: needs images." in text
    assert "- Sums, a, p: IoU 0.800 against 0.900" in text
    assert page.rewrite(text, [results], groups) == text
    with pytest.raises(ValueError, match="has no lines"):
        page.rewrite("nothing", [results], groups)


def test_a_row_is_replaced_alone(tmp_path):
    results = Results({"processor": "X"})
    first, second = a_row(record([1.0]), record([2.0])), a_row(record([5.0]), record([2.0]))
    results.put("g", "a", first)
    results.put("g", "b", first)
    results.write(tmp_path / "x.jsonl")
    results = Results.read(tmp_path / "x.jsonl")
    results.put("g", "b", second)
    results.put("g", "a", {"skipped": "no data"})
    assert results.groups == {"g": {"a": first, "b": second}}
    assert read_all(tmp_path)[0].groups["g"]["b"] == first


def test_committed_page_is_what_the_results_say():
    text = (ROOT / "docs/benchmarks.md").read_text("utf-8")
    assert page.rewrite(text, read_all(FOLDER), GROUPS) == text


@pytest.mark.parametrize("name", GROUPS)
def test_rows_without_data_run_or_say_why_not(name):
    cases = list(GROUPS[name].cases(Sources(Images(None))))
    assert cases
    names = [case.name for case in cases]
    assert len(set(names)) == len(names)
    for case in cases:
        assert case.skipped or case.sides[0].name == OWN
        assert len({side.name for side in case.sides}) == len(case.sides)
    assert all("DATA=" in c.skipped or "nnU-Net" in c.skipped for c in cases if c.skipped)


def test_strokes_of_a_folder_take_the_place_of_simulated_ones(tmp_path):
    truth = np.zeros((20, 30), np.uint8)
    truth[5:15, 5:15] = 255
    strokes = np.zeros_like(truth)
    strokes[7, 7:10], strokes[1, 1:9] = 2, 1
    for part, pixels in (("images", truth // 2), ("masks", truth)):
        (tmp_path / "isbi2012_em" / part).mkdir(parents=True)
        imwrite(tmp_path / "isbi2012_em" / part / "a_b.png", pixels)
    folder = tmp_path / "scribbles/isbi2012_em"
    folder.mkdir(parents=True)
    imwrite(folder / "a_b_2.5.png", strokes)
    imwrite(folder / "a_b_1.png", strokes[:5])
    sources = Sources(Images(tmp_path), scribbles=tmp_path / "scribbles")
    cases = {case.name: case for case in GROUPS["pixels"].cases(sources)}
    [trial] = cases["isbi2012_em, 2.50%, scribbles"].trials()
    assert np.array_equal(trial.inputs["strokes"], strokes)
    assert np.array_equal(trial.truth["classes"], truth > 0)
    assert "isbi2012_em/*_0.25.png" in cases["isbi2012_em, 0.25%, scribbles"].skipped
    assert "DATA=" in cases["dsb2018_fluo, 0.25%, scribbles"].skipped
    with pytest.raises(ValueError, match="has to be of shape"):
        list(cases["isbi2012_em, 1.00%, scribbles"].trials())


def test_objects_of_all_sides_are_scored_twice_with_the_same_result():
    random = np.random.default_rng(0)
    truth = [np.kron(random.permutation(25).reshape(5, 5), np.ones((6, 6), int)) for _ in "ab"]
    found = [np.where(random.random(t.shape) < 0.1, 0, np.roll(t, 1, 1)) for t in truth]
    nothing = [np.zeros_like(t) for t in truth]
    trial = Trial({}, instances.numbered("truth", truth))
    sides = {"perfect": truth, "some": found, "none": nothing}
    results = {name: instances.numbered("found", each) for name, each in sides.items()}
    scores = instances.scores(trial, results)
    assert scores["perfect"] == {"F1": 1, "mean AP": 1, "again": 1}
    assert scores["none"] == {"F1": 0, "mean AP": 0, "again": 0}
    assert 0.1 < scores["some"]["mean AP"] < 0.9
    assert scores["some"]["again"] == pytest.approx(scores["some"]["mean AP"])


@given(st.integers(0, 5000), st.lists(st.integers(1, 3000), min_size=1, max_size=5))
def test_equal_budgets(total, areas):
    """No class beyond half of its pixels; those below have the same, all pixels are given."""
    budgets = equal_budgets(total, areas)
    assert sum(budgets) == min(total, sum(a // 2 for a in areas))
    assert all(0 <= b <= a // 2 for b, a in zip(budgets, areas, strict=True))
    free = [b for b, a in zip(budgets, areas, strict=True) if b < a // 2]
    assert max(budgets) - min(free, default=max(budgets)) <= 1 or max(free) - min(free) <= 1


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("shape", [(60, 80), (4, 40, 40)])
def test_strokes_lie_in_their_class_and_grow(budget, shape):
    truth = np.zeros(shape, np.uint8)
    truth[..., 10:30, 10:30] = 1
    truth[..., 33:36, 10:14] = 2  # small: it cannot take its part of the larger budget
    shares = 0.01, 0.1
    few, many = strokes(truth, shares, seed=3, budget=budget)
    areas = np.bincount(truth.ravel())
    for labels, share in ((few, shares[0]), (many, shares[1])):
        assert ((labels == 0) | (labels == truth + 1)).all()
        counts = np.bincount(labels.ravel(), minlength=4)[1:]
        if budget == "equal":
            assert counts.tolist() == equal_budgets(round(truth.size * share), areas.tolist())
        else:
            assert np.allclose(counts, np.maximum(1, share * areas), atol=1)
    assert (many[few > 0] == few[few > 0]).all()
    again = next(strokes(truth, shares, seed=3, budget=budget))
    assert np.array_equal(again, few)
    _, count = label(few == 1)
    assert (few == 1).sum() / count > 3  # strokes, not specks


def test_the_command_runs_a_row(tmp_path):
    """A real row without any peer: ours is measured, theirs are named."""
    command = [sys.executable, "-m", "benchmarks.peers", "metrics", "--match", "1024", "--repeats"]
    where = ["1", "--results", tmp_path, "--page", tmp_path / "page.md", "--peers", tmp_path]
    (tmp_path / "page.md").write_text(TEXT)
    done = subprocess.run([*command, *where], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make peers" in done.stdout
    file = next(tmp_path.glob("*.jsonl"))
    row = Results.read(file).groups["metrics"]["1024 x 1024, 4 classes, every pixel counts"]
    assert row["sides"][OWN]["quality"]["difference"] == [0.0]
    assert "#### Metrics" in Path(tmp_path / "page.md").read_text("utf-8")
