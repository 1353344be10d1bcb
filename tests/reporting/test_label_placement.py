"""Names beside points: none on another, none on somebody else's point, and those that matter in any case."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brinell.reporting.drawing.label_placement import AWAY, LINE, Box, Marker, place

SIZE = (420.0, 380.0)


def dot(name: str, x: float, y: float) -> Marker:
    return Marker(name, name, x, y, (y - 15, y + 15), y - 150)


def test_a_lone_name_stands_level_towards_the_middle() -> None:
    left, right = (place([dot("xnor", x, 200)], [], SIZE)["xnor"] for x in (100, 300))
    assert (left.side, left.y, left.box.left) == ("left", 200, 100 + AWAY)
    assert (right.side, right.y, right.box.right) == ("right", 200, 300 - AWAY)


def test_beside_a_point_where_the_name_would_lie_it_goes_to_the_other_side() -> None:
    tags = place([dot("one", 200, 200), dot("two", 225, 200)], [], SIZE)
    assert {name: tag.side for name, tag in tags.items()} == {"one": "right", "two": "left"}


def test_points_on_one_place_have_their_names_one_above_the_other() -> None:
    tags = place([dot(name, 400, 200) for name in ("baseline", "weight-50", "kernel-50")], [], SIZE)
    assert [tag.y for tag in tags.values()] == [200, 200 - LINE, 200 + LINE]
    assert {tag.side for tag in tags.values()} == {"right"}


def test_a_name_is_nearer_to_its_own_point_than_to_another() -> None:
    """Of two points that all but cover each other, the right one's name is not to be taken for the left one's."""
    tags = place([dot("xnor", 20, 200), dot("abc-1x1", 24, 196)], [], SIZE)
    assert {name: (tag.side, tag.y) for name, tag in tags.items()} == {"xnor": ("left", 215), "abc-1x1": ("left", 196)}


def test_a_crowd_leaves_names_out_but_never_the_first() -> None:
    crowd = [dot(f"variant-{i}", 150 + 8 * (i % 16), 100 + 8 * (i // 16)) for i in range(256)]
    last = crowd[-60].name
    assert len(place(crowd, [], SIZE)) < 128
    assert last not in place(crowd, [], SIZE)
    assert last in place(crowd, [last], SIZE)


points = st.tuples(st.text("abcdefgh-0123456789", min_size=1, max_size=24), st.floats(30, 390), st.floats(20, 360))


@given(st.lists(points, max_size=20, unique_by=lambda point: point[0]))
def test_names_without_precedence_lie_on_nothing(found: list[tuple[str, float, float]]) -> None:
    dots = [dot(*point) for point in found]
    tags = place(dots, [], SIZE)
    for name, tag in tags.items():
        assert Box(0, 0, *SIZE).left <= tag.box.left
        assert tag.box.right <= SIZE[0]
        assert 0 <= tag.box.top < tag.box.bottom <= SIZE[1]
        assert not any(tag.box.meets(other.box) for key, other in tags.items() if key != name)
        for other in dots:
            inside = tag.box.left < other.x < tag.box.right and tag.box.top < other.y < tag.box.bottom
            assert other.name == name or not inside


def test_boxes_meet_where_they_share_more_than_an_edge() -> None:
    assert Box(0, 0, 2, 2).meets(Box(1, 1, 3, 3))
    assert not Box(0, 0, 2, 2).meets(Box(2, 0, 3, 2))
    assert not Box(0, 0, 2, 2).meets(Box(0, 3, 2, 4))
