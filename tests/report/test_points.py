"""Points as pictures, in any number of dimensions."""

from __future__ import annotations

import numpy as np

from ganlore.report.samples import dots


def test_points_of_a_plane_are_where_they_are() -> None:
    """The middle is (50, 50), y upwards; what lies outside is on the border."""
    points = np.array([[0.0, 0.0], [1.0, -1.0], [9.0, 0.5]])
    assert dots(points, 2.0) == "M50.0 50.0h0M75.0 75.0h0M99.0 37.5h0"


def test_points_of_a_line_are_at_the_height_0() -> None:
    assert dots(np.array([[0.0], [-1.0]]), 2.0) == "M50.0 50.0h0M25.0 50.0h0"


def test_of_more_dimensions_the_first_two_are_drawn() -> None:
    points = np.array([[1.0, 0.5, 7.0]])
    assert dots(points, 2.0) == dots(points[:, :2], 2.0)
