"""The pose of a camera from points that it sees."""

from .p3p import solve_p3p
from .pnp import solve_pnp
from .rays import Pose
from .refine import refine_pnp

__all__ = ["Pose", "refine_pnp", "solve_p3p", "solve_pnp"]
