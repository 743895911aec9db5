import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks import report
from benchmarks.measure import Sample
from benchmarks.plot import growing, ratios
from benchmarks.results import Results, Row, load, newest
from benchmarks.table import render_row
from benchmarks.workloads import ALL


def measured() -> Results:
    """Results of every row, with plain figures."""
    results = Results("2030-01-02T03:04", {"kernel": "Linux"}, {"mkbuild": "1"}, 2)
    for workload in ALL:
        for state in workload.states:
            if not state.measured:
                continue
            row = Row(workload.name, workload.title, state.name, workload.family, workload.size)
            row.floors = dict.fromkeys(
                ("walk", "sha256", "zstd", "upload", "critical", "python", "copy"), 0.25
            ) | {"base entries": 5000.0}
            ours, theirs = 0.5 + workload.size / 1000, 5.0
            facts = {"blobs": 1e6, "last": 1e6, "moved": 1.1e6}
            row.samples["mkbuild"] = [Sample(ours, 0.4, 50 << 20, 10**9, facts)] * 2
            if not workload.alone:
                row.samples["buildkit"] = [Sample(theirs, 4.0, 90 << 20, None, facts)] * 2
                row.differences["buildkit"] = ""
            results.rows[workload.row(state)] = row
    return results


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - written here


def test_results_survive_their_file(tmp_path: Path) -> None:
    results = measured()
    results.save(tmp_path / "deep" / "2030-01-02.json")
    assert load(tmp_path / "deep" / "2030-01-02.json") == results
    assert newest(tmp_path / "deep") == tmp_path / "deep" / "2030-01-02.json"
    assert newest(tmp_path) is None


def test_a_workload_is_complete_with_all_its_tools() -> None:
    results = measured()
    assert results.has("runs", ["mkbuild", "buildkit"])
    assert not results.has("runs", ["mkbuild", "kaniko"])
    assert not Results("", {}).has("runs", [])


def test_a_row_for_the_terminal() -> None:
    row = measured().rows["runs: cold"]
    row.failures["kaniko"] = "executor ended with 1:\nno space left"
    row.differences["buildkit"] = "cold, app: etc: nothing, not d 755 0:0"
    assert render_row(row).splitlines() == [
        "runs: cold",
        "  mkbuild           0.50 s     1.0 ×  cpu    0.40 s  memory     50 MiB  "
        "1.00 G instructions  blobs 1,000,000  last 1,000,000  moved 1,100,000",
        "  buildkit          5.00 s    10.0 ×  cpu    4.00 s  memory     90 MiB  "
        "blobs 1,000,000  last 1,000,000  moved 1,100,000",
        "    not the same image: cold, app: etc: nothing, not d 755 0:0",
        "  kaniko        failed: no space left",
        "  floors        walk 0.25, sha256 0.25, zstd 0.25, upload 0.25, critical 0.25, "
        "python 0.25, copy 0.25, base entries 5e+03",
    ]


def test_the_page(tmp_path: Path) -> None:
    report.write(measured(), tmp_path / "performance.md")
    text = (tmp_path / "performance.md").read_text()
    assert "| manyfiles: cold | **0.50** | 5.00 (10.0 ×) |" in text
    assert "| manyfiles: cold | ≥ 5 × BuildKit | 10.0 × | met |" in text
    assert "| bigfile: unchanged | ≤ 0.2 s | 0.50 s, limit 0.20 s | **missed** |" in text
    assert "all were equal" in text
    assert "$" not in text
    assert "nan" not in text
    for name in ("ratios", "growth"):
        assert f"](performance-{name}.svg)" in text
        assert (tmp_path / f"performance-{name}.svg").exists()


def test_the_page_says_what_failed_and_differed() -> None:
    results = measured()
    results.rows["runs: cold"].failures["kaniko"] = "executor ended with 1:\nno space left"
    results.rows["runs: cold"].differences["buildkit"] = "cold, app: etc differs"
    text = report.render(results)
    assert "- runs: cold, kaniko: `no space left`" in text
    assert "- runs: cold, buildkit: cold, app: etc differs" in text
    assert "failed |" in text


def test_plots_are_drawings_of_all_rows() -> None:
    results = measured()
    names = {text.text for text in drawn(ratios(results)).iter() if text.tag.endswith("text")}
    assert {"manyfiles: cold", "fleet: unchanged", "buildkit", "1 ×", "10.0"} <= names
    lines = [node for node in drawn(growing(results)).iter() if node.tag.endswith("polyline")]
    assert [len(str(line.get("points")).split()) for line in lines] == [3] * 6


def test_plots_of_nothing_are_drawings() -> None:
    empty = Results("", {})
    assert drawn(ratios(empty)).tag == drawn(growing(empty)).tag
