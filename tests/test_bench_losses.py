"""`visionops bench losses`: its sides compute the same loss, and are measured."""

import pytest

from visionops.bench import losses
from visionops.bench.losses.lines import LINES, OURS, Size

pytestmark = pytest.mark.filterwarnings("ignore")  # of the peers

PEERS = {peer for line in LINES for peer in line.peers}


@pytest.fixture(scope="module")
def report():
    for name in losses.PEERS.values():
        pytest.importorskip(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "THREADS", 1)  # two wait for each other where other tests have the cores
        return losses.run(size=Size(1, 192, 192), rounds=2, seconds=0.002)


class TestRun:
    def test_values_are_those_of_the_peers(self, report):
        for line in LINES:
            sides = report.results["lines"][line.name]
            assert set(sides) == {OURS, *line.peers}
            for name, one in sides.items():
                assert "fails" not in one, f"{line.name}: {name} fails: {one.get('fails')}"
                if name != OURS and one["near"] is not None:
                    assert one["apart"] <= one["near"], f"{line.name}: {one['apart']} apart from {name}"

    def test_time_and_memory_are_measured(self, report):
        for name, sides in report.results["lines"].items():
            assert all(one["median"] > 0 and one["kept_bytes"] > 0 for one in sides.values()), name
            assert all(len(one["ratio"]) == 2 and one["share"] > 0 for peer, one in sides.items() if peer != OURS), name

    def test_table(self, report):
        (table,) = report.tables
        assert len(table.rows) == sum(len(line.peers) for line in LINES) + 1
        assert [row[0] for row in table.rows if row[0]] == [*(line.name for line in LINES), "geometric mean"]
        assert all(len(row) == len(table.columns) for row in table.rows)
        for peer in PEERS:
            assert any(note.startswith(f"Beside {peer} ") for note in table.notes)
        assert any("wanted over all" in note for note in table.notes) and any("SSIM" in note for note in table.notes)


class TestOnly:
    def test_lines_that_begin_so(self, monkeypatch):
        monkeypatch.setattr(losses, "THREADS", 1)
        report = losses.run(only=["ssim, r"], size=Size(1, 32, 32), rounds=1, seconds=0.001)
        assert list(report.results["lines"]) == ["ssim, reflect"]

    def test_unknown(self):
        with pytest.raises(ValueError, match="bench losses: only must be the beginning of a line's name"):
            losses.run(only=["hinge"])


def test_a_side_that_fails_is_told():
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError("broken")

    line = next(line for line in LINES if line.name == "ssim")
    found = losses._side_by_side(line, Size(1, 32, 32), {"Kornia": Broken()}, rounds=1, seconds=0.001)
    assert found["Kornia"] == {"fails": "RuntimeError: broken"} and found[OURS]["median"] > 0
    table = losses._table({"size": [1, 32, 32], "quick": True, "versions": {"Kornia": "0"}, "lines": {"ssim": found}})
    assert table.rows[0][1:4:2] == ["Kornia", "fails: RuntimeError"]
