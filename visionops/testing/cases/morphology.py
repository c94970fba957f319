from visionops.testing.operators import Operator

CASES: dict[str, Operator] = {}
