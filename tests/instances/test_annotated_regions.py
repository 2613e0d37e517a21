import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels, Shapes
from skimage.draw import polygon2mask
from skimage.measure import points_in_poly

from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit.images.outlines import shape_outlines
from napari_segkit.images.polygons import find_crossing
from napari_segkit.instances.annotated_regions import region_mask

SHAPE = (40, 50)


def box(top, left, bottom, right):
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)


def in_slice(z, corners):
    return np.insert(corners, 0, z, axis=1)


def star(count, centre=(20.2, 25.1), size=15.0):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = size * (1 + 0.3 * np.sin(9 * angle))
    return np.array(centre) + (radius * (np.sin(angle), np.cos(angle))).T


corner = st.integers(0, 40)


@settings(deadline=None, max_examples=50)
@given(corner, corner, corner, corner, st.sampled_from([0, -0.5, -0.25]))
def test_rectangles_are_slices(top, left, bottom, right, shift):
    top, bottom, left, right = *sorted((top, bottom)), *sorted((left, right))
    expected = np.zeros(SHAPE, bool)
    expected[top:bottom, left:right] = True
    polygons = [box(top, left, bottom, right) + shift]
    if expected.any():
        np.testing.assert_array_equal(region_mask(polygons, None, SHAPE), expected)
        np.testing.assert_array_equal(region_mask([polygons[0][::-1]], None, SHAPE), expected)
    elif top < 40 and left < 50:
        with pytest.raises(ValueError, match="covers no pixel"):
            region_mask(polygons, None, SHAPE)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32))
def test_pixels_with_their_centre_inside_belong_to_a_polygon(seed):
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 12))
    radius = rng.uniform(8, 40, 12)  # reaches past the image
    outline = np.array([20, 25]) + (radius * (np.sin(angle), np.cos(angle))).T
    if find_crossing(outline) is not None:
        return
    centres = np.stack(np.mgrid[:40, :50], -1).reshape(-1, 2)
    expected = points_in_poly(centres, outline).reshape(SHAPE)
    if expected.any():
        np.testing.assert_array_equal(region_mask([outline], None, SHAPE), expected)


def test_neighbours_share_no_pixel_and_leave_none_out():
    middle = np.array([[17.0, 23.0]])
    ring = box(0, 0, 40, 50)
    parts = [
        region_mask([np.concatenate([middle, ring[[i]], ring[[(i + 1) % 4]]])], None, SHAPE)
        for i in range(4)
    ]
    np.testing.assert_array_equal(np.sum(parts, axis=0), 1)


def test_several_regions_add_up_even_where_they_overlap():
    marked = region_mask([box(0, 0, 5, 5), box(3, 3, 9, 9)], None, SHAPE)
    assert marked.sum() == 25 + 36 - 4


def test_a_slit_cuts_out_a_hole():
    outer, inner = box(0, 0, 20, 20), box(5, 5, 10, 10)[::-1]
    around = np.concatenate([outer, outer[:1], inner, inner[:1]])
    marked = region_mask([around], None, SHAPE)
    assert marked.sum() == 400 - 25
    assert not marked[5:10, 5:10].any()


def test_shapes_are_placed_by_world_coordinates():
    labels = Labels(np.zeros(SHAPE, int), scale=[2, 4], translate=[10, -4])
    shapes = Shapes([box(0, 0, 20, 40)], shape_type="rectangle", scale=[0.5, 0.5])
    shapes.translate = [20, 8]  # the world from (20, 8) to (30, 28): pixels (5, 3) to (10, 8)
    marked = region_mask(shapes, labels, SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[5:10, 3:8] = True
    np.testing.assert_array_equal(marked, expected)
    np.testing.assert_array_equal(region_mask(shapes, snapshot(labels), SHAPE), expected)
    np.testing.assert_array_equal(
        region_mask(shape_outlines(shapes, labels), None, SHAPE), expected
    )


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize(("ndim", "labels_ndim"), [(2, 2), (2, 3), (3, 2), (3, 3), (4, 3)])
def test_coordinates_agree_with_napari(ndim, labels_ndim):
    rng = np.random.default_rng(ndim + labels_ndim)

    def placed(count):
        turn = np.eye(count + 1)
        turn[:-1] += rng.uniform(-0.2, 0.2, (count, count + 1))
        return {
            "scale": rng.uniform(0.2, 3, count),
            "translate": rng.uniform(-9, 9, count),
            "rotate": np.linalg.qr(rng.normal(size=(count, count)))[0],
            "shear": rng.uniform(-0.3, 0.3, count * (count - 1) // 2),
            "affine": turn,
        }

    corners = rng.uniform(0, 30, (5, ndim))
    shapes = Shapes([corners], shape_type="polygon", **placed(ndim))
    labels = Labels(np.zeros((4,) * labels_ndim, int), **placed(labels_ndim))
    kept = min(ndim, labels_ndim)
    expected = [labels.world_to_data(shapes.data_to_world(c))[-kept:] for c in corners]
    np.testing.assert_allclose(shape_outlines(shapes, labels)[0], expected, atol=2e-3)
    np.testing.assert_array_equal(
        shape_outlines(shapes, snapshot(labels)), shape_outlines(shapes, labels)
    )


def test_other_units_of_length_are_converted_and_others_ignored():
    labels = Labels(np.zeros(SHAPE, int), scale=[0.5, 0.5], units=["um", "um"])
    shapes = Shapes([box(0, 0, 1000, 2000)], shape_type="rectangle", units=["nm", "nm"])
    assert region_mask(shapes, labels, SHAPE).sum() == 2 * 4
    plain = Shapes([box(0, 0, 1, 2)], shape_type="rectangle")
    assert region_mask(plain, labels, SHAPE).sum() == 2 * 4


def test_single_precision_moves_no_edge():
    labels = Labels(np.zeros(SHAPE, int), scale=[0.1, 0.1])
    for size in (3, 6, 7, 13, 29, 37):
        shapes = Shapes([box(0, 0, size * 0.1, 1)], shape_type="rectangle")
        assert region_mask(shapes, labels, SHAPE).sum() == size * 10


def test_plain_arrays_have_pixels_at_integer_coordinates():
    shapes = Shapes([box(0, 0, 2, 3)], shape_type="rectangle", scale=[2, 2])
    assert region_mask(shapes, np.zeros(SHAPE, int), SHAPE).sum() == 4 * 6
    assert region_mask(shapes, None, SHAPE).sum() == 4 * 6


def test_2d_shapes_mark_every_slice():
    labels = Labels(np.zeros((3, 4, *SHAPE), int), scale=[5, 2, 1, 1], translate=[7, 7, 0, 0])
    shapes = Shapes([box(1, 1, 4, 6)], shape_type="rectangle")
    marked = region_mask(shapes, labels, labels.data.shape)
    assert marked.shape == labels.data.shape
    assert (marked == marked[:1, :1]).all()
    assert marked[0, 0].sum() == 15


def test_shapes_of_a_volume_mark_their_slice():
    labels = Labels(np.zeros((6, *SHAPE), int), scale=[2.5, 1, 1])
    polygons = [in_slice(5.2, box(0, 0, 2, 2)), in_slice(10, box(3, 3, 6, 6))]
    marked = region_mask(Shapes(polygons, shape_type="rectangle"), labels, labels.data.shape)
    np.testing.assert_array_equal(marked.sum(axis=(1, 2)), [0, 0, 4, 0, 9, 0])
    series = region_mask([*polygons[:1]], None, (2, 6, *SHAPE))
    np.testing.assert_array_equal(series.sum(axis=(2, 3)), [[0, 0, 0, 0, 0, 4]] * 2)


@pytest.mark.parametrize(("depth", "expected"), [([-0.8, -0.4], 0), ([5.4, 5.7], 5), ([2, 2], 2)])
def test_shapes_at_the_ends_of_a_volume_stay_in_it(depth, expected):
    near, far = depth
    marked = region_mask([in_slice([near, far, far, far], box(0, 0, 2, 2))], None, (6, *SHAPE))
    assert np.flatnonzero(marked.any(axis=(1, 2))).tolist() == [expected]


def test_shapes_drawn_from_the_side_mark_the_plane_they_lie_in():
    side = np.array([[0, 7, 0], [0, 7, 4], [3, 7, 4], [3, 7, 0]], float)
    marked = region_mask([side], None, (6, *SHAPE))
    assert marked.sum() == 12
    assert marked[:3, 7, :4].all()


def test_shapes_of_a_volume_on_2d_labels_lose_their_depth():
    shapes = Shapes([in_slice(3, box(0, 0, 2, 5))], shape_type="rectangle")
    assert region_mask(shapes, Labels(np.zeros(SHAPE, int)), SHAPE).sum() == 10
    assert region_mask(shapes, None, SHAPE).sum() == 10


@pytest.mark.parametrize("degrees", [0, 30, 115])
def test_ellipses(degrees):
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = box(-8.3, -15.6, 8.3, 15.6) @ matrix.T + (20, 25)
    shapes = Shapes([corners], shape_type="ellipse")
    marked = region_mask(shapes, Labels(np.zeros(SHAPE, int)), SHAPE)
    y, x = (np.stack(np.mgrid[:40, :50], -1) - (20, 25) @ np.eye(2)).transpose(2, 0, 1)
    y, x = matrix.T @ np.stack([y.ravel(), x.ravel()])
    expected = ((y / 8.3) ** 2 + (x / 15.6) ** 2 <= 1).reshape(SHAPE)
    assert (marked != expected).sum() <= 1


def test_ellipses_of_a_stack_and_under_a_turn_of_the_layer():
    labels = Labels(np.zeros((3, *SHAPE), int))
    one = in_slice(1, box(5.3, 5.3, 25.3, 35.3))
    marked = region_mask(Shapes([one], shape_type="ellipse"), labels, (3, *SHAPE))
    assert not marked[[0, 2]].any()
    assert marked[1].sum() == pytest.approx(np.pi * 10 * 15, rel=0.01)
    turned = Shapes(
        [box(-5.2, -9.2, 5.2, 9.2)], shape_type="ellipse", rotate=90, translate=(20, 25)
    )
    rows, columns = np.nonzero(region_mask(turned, None, SHAPE))
    assert (np.ptp(rows), np.ptp(columns)) == (18, 10)


def test_masks_are_used_unchanged():
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:5, 4] = 7
    expected = mask > 0
    for given_as in (mask, expected, mask.astype(float), Labels(mask)):
        marked = region_mask(given_as, None, SHAPE)
        np.testing.assert_array_equal(marked, expected)
        assert marked.dtype == bool
    assert marked is not mask


def test_polygons_may_have_many_corners():
    outline = star(1000, (400, 400), 300)
    marked = region_mask([outline, np.concatenate([outline, outline[:1]])], None, (1024, 1024))
    assert marked.sum() == pytest.approx(np.pi * 300**2 * 1.045, rel=0.01)


@pytest.mark.parametrize("count", [5, 500, 3000])
def test_crossings_are_found(count):
    outline = star(count)
    assert find_crossing(outline) is None
    assert find_crossing(np.concatenate([outline, outline[:1]])) is None
    first, second = count // 3, count // 3 + 1
    outline[[first, second]] = outline[[second, first]]
    found = find_crossing(outline)
    assert found is not None
    assert np.linalg.norm(found - outline[first]) < 60


def test_a_crossing_through_a_corner_that_does_not_turn_is_found():
    outline = np.array([[0, 0], [2, 2], [4, 4], [4, 0], [0, 4]], float)
    np.testing.assert_allclose(find_crossing(outline), [2, 2])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32))
def test_crossings_agree_with_comparing_every_pair(seed):
    points = np.random.default_rng(seed).integers(0, 1000, (7, 2)) + 0.1
    lines = list(zip(points, np.roll(points, -1, axis=0), strict=True))

    def side(p, line):
        (a, b), (c, d) = line[1] - line[0], p - line[0]
        return np.sign(a * d - b * c)

    crossed = any(
        side(one[0], other) * side(one[1], other) < 0
        and side(other[0], one) * side(other[1], one) < 0
        for one in lines
        for other in lines
    )
    assert (find_crossing(points) is not None) == crossed


@pytest.mark.parametrize(
    ("polygons", "shape", "message"),
    [
        ([], SHAPE, "hold no shape"),
        ([box(0, 0, 3, 3), box(2.2, 2.2, 2.6, 2.6)], SHAPE, "Region 2 of 2 covers no pixel"),
        ([box(2, 2, 2, 9)], SHAPE, "covers no pixel"),
        ([box(60, 0, 70, 9)], SHAPE, r"Region 1 of 1 lies outside the labels of shape \(40, 50\)"),
        ([box(-9, 0, -1, 9)], SHAPE, "lies outside"),
        ([in_slice(7, box(0, 0, 9, 9))], (6, *SHAPE), "lies outside"),
        ([box(0, 0, 9, 9)[[0, 2, 1, 3]]], SHAPE, r"crosses itself at \(4.5, 4.5\)"),
        ([in_slice([0, 0, 3, 3], box(0, 0, 9, 9))], (6, *SHAPE), "extends along 3 axes"),
        ([box(0, 0, 9, 9)[:2]], SHAPE, r"array of shape \(2, 2\); give the finite coordinates"),
        ([in_slice(0, box(0, 0, 9, 9))], SHAPE, r"array of shape \(4, 3\)"),
        ([box(0, 0, np.nan, 9)], SHAPE, "finite"),
        (np.zeros(SHAPE), SHAPE, "0 everywhere"),
        (np.ones((4, 2)), SHAPE, r"mask .* has shape \(4, 2\), but the labels have \(40, 50\)"),
    ],
)
def test_invalid_regions_are_refused(polygons, shape, message):
    with pytest.raises(ValueError, match=message) as error:
        region_mask(polygons, None, shape)
    assert str(error.value).count(". ") == 0


def test_an_empty_layer_is_refused():
    with pytest.raises(ValueError, match="hold no shape"):
        region_mask(Shapes(ndim=2), Labels(np.zeros(SHAPE, int)), SHAPE)


@pytest.mark.parametrize("kind", ["line", "path"])
def test_lines_are_refused(kind):
    shapes = Shapes([box(0, 0, 9, 9)], shape_type="polygon")
    shapes.add([[0, 0], [9, 9]], shape_type=kind)
    with pytest.raises(ValueError, match=f"Region 2 of 2 is a {kind}, which has no inside"):
        region_mask(shapes, None, SHAPE)


@pytest.mark.parametrize("regions", ["all", None, 3])
def test_other_types_are_refused(regions):
    with pytest.raises(TypeError, match="give a Shapes layer"):
        region_mask(regions, None, SHAPE)


def test_a_polygon_is_what_skimage_draws():
    outline = star(37)
    np.testing.assert_array_equal(region_mask([outline], None, SHAPE), polygon2mask(SHAPE, outline))
