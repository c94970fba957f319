"""Histograms of one image and of two, counted or spread by B-splines."""

from .op import bin_sums, joint_sums

__all__ = ["bin_sums", "joint_sums"]
