"""`visionops bench geometry`: its sides solve the same problems, and solve them."""

import pytest
import torch

from visionops.bench import geometry
from visionops.bench.geometry import minimal
from visionops.bench.geometry.lines import LINES, OURS

pytestmark = pytest.mark.filterwarnings("ignore")  # of the peers

# The largest median error of a side on exact data: OpenCV's fundamental matrices and undistortion are its coarsest.
NEAR = 1e-5
NOISY = {"homography, DLT, 8 points": 2.0, "PnP, refined, 10 points": 0.05}


@pytest.fixture(scope="module")
def report():
    for name in ("cv2", "kornia"):
        pytest.importorskip(name)
    return geometry.run(count=8, rounds=2, seconds=0.01)


class TestRun:
    def test_every_side_solves_its_problems(self, report):
        for name, forms in report.results["lines"].items():
            for side, one in forms["forward"].items():
                assert "fails" not in one, f"{name}: {side} fails: {one.get('fails')}"
                if "error" in one:
                    assert one["error"] < NOISY.get(name, NEAR), f"{name}: {side} is off by {one['error']}"

    def test_backward_runs(self, report):
        for name, forms in report.results["lines"].items():
            assert "milliseconds" in forms["backward"][OURS], f"{name}: {forms['backward'][OURS]}"

    def test_minimal_solvers_find_the_truth(self, report):
        for sides in report.results["minimal"].values():
            assert sides[OURS]["found"] == sides[OURS]["solve"] == 1

    def test_tables(self, report):
        forward, backward, solvers = report.tables
        assert [row[0] for row in forward.rows] == [*(line.name for line in LINES), "geometric mean"]
        assert len(backward.rows) == len(LINES) + 1 and len(solvers.columns) == 6
        assert all(len(row) == len(table.columns) for table in report.tables for row in table.rows)
        assert any("x Kornia in the geometric mean" in note for note in forward.notes)


class TestOnly:
    def test_lines_that_begin_so(self):
        report = geometry.run(only=["SE3"], count=8, rounds=1, seconds=0.01)
        assert list(report.results["lines"]) == ["SE3 exp", "SE3 log"]

    def test_unknown(self):
        with pytest.raises(ValueError, match="bench geometry: only must be the beginning of a line's name"):
            geometry.run(only=["affine"])


def test_a_root_far_away_is_not_found():
    truth = torch.ones(2, 3, 3).double()
    roots = torch.stack([torch.eye(3), torch.ones(3, 3)]).double()[:, None]
    sides = {"one": (lambda: roots, lambda given: (given, torch.ones(2, 1, dtype=torch.bool)))}
    leaves = lambda given: (given - given.mT).abs().amax((-1, -2)) + given[..., 0, 1]  # noqa: E731
    found = minimal._judged(sides, leaves, minimal._near(truth))["one"]
    assert found.pop("milliseconds") >= 0
    assert found == {"roots": 1.0, "found": 0.5, "solve": 0.5}
