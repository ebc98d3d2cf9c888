"""The letterbox: there and back, and where pixels really land."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.letterbox import PAD_VALUE, Letterbox

side = st.integers(1, 6000)
network = st.sampled_from([32, 96, 320, 416, 608])


@given(side, side, network, network, st.lists(st.floats(0, 1), min_size=4, max_size=4))
@settings(max_examples=300, deadline=None)
def test_there_and_back(width, height, input_width, input_height, shares):
    letterbox = Letterbox(width, height, input_width, input_height)
    x = sorted(shares[:2])
    y = sorted(shares[2:])
    box = np.array([[x[0] * width, y[0] * height, x[1] * width, y[1] * height]])
    inside = letterbox.to_input(box)
    assert (inside >= -1e-3).all()
    assert (inside <= [input_width + 1e-2, input_height + 1e-2] * 2).all()
    # float32 holds positions in the network input to about 3e-5 pixels.
    assert letterbox.to_photo(inside) == pytest.approx(box, abs=1e-4 * max(1, max(width, height)))


@given(side, side, network)
@settings(max_examples=200, deadline=None)
def test_the_whole_photo_fills_what_the_padding_leaves(width, height, size):
    letterbox = Letterbox(width, height, size, size)
    got = letterbox.to_input(np.array([[0, 0, width, height]]))[0]
    assert got.tolist() == [
        letterbox.left, letterbox.top,
        letterbox.left + letterbox.inner_width, letterbox.top + letterbox.inner_height,
    ]  # fmt: skip
    assert max(letterbox.inner_width, letterbox.inner_height) == size
    assert abs(size - letterbox.inner_width - 2 * letterbox.left) <= 1  # centred
    assert abs(size - letterbox.inner_height - 2 * letterbox.top) <= 1


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (480, 640), (1500, 500), (40, 30), (5000, 4000), (97, 96)]
)
def test_pixels_land_where_the_map_says(width, height):
    """The edges of a white rectangle, located to a fraction of a pixel by its brightness."""
    image = np.zeros((height, width, 3), np.uint8)
    x0, x1, y0, y1 = width // 4, width // 4 * 3, height // 3, height // 3 * 2
    image[y0:y1, x0:x1] = 255
    letterbox = Letterbox(width, height, 416, 416)
    picture = letterbox.apply(image)[..., 0].astype(float) / 255
    expected = letterbox.to_input(np.array([[x0, y0, x1, y1]]))[0]
    row = picture[int((expected[1] + expected[3]) / 2)]
    column = picture[:, int((expected[0] + expected[2]) / 2)]
    row, column = row.copy(), column.copy()
    row[: letterbox.left] = row[416 - letterbox.left :] = 0
    column[: letterbox.top] = column[letterbox.top + letterbox.inner_height :] = 0
    for line, low, high in ((row, expected[0], expected[2]), (column, expected[1], expected[3])):
        middle = int((low + high) / 2)
        assert middle - line[:middle].sum() == pytest.approx(low, abs=0.5)
        assert middle + line[middle:].sum() == pytest.approx(high, abs=0.5)


def test_padding_is_one_grey_on_both_sides():
    picture = Letterbox(300, 100, 96, 96).apply(np.full((100, 300, 3), 255, np.uint8))
    assert (picture[:32] == PAD_VALUE).all()
    assert (picture[32:64] == 255).all()
    assert (picture[64:] == PAD_VALUE).all()


def test_another_photo_is_refused():
    with pytest.raises(ValueError, match="64×32"):
        Letterbox(64, 48, 96, 96).apply(np.zeros((32, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="at least 1"):
        Letterbox(0, 48, 96, 96)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 20))
def test_a_fitted_letterbox_has_little_padding(width, height, multiple):
    longest = 32 * multiple
    fitted, square = (
        Letterbox.fitted(width, height, longest),
        Letterbox(width, height, longest, longest),
    )
    sides = fitted.input_width, fitted.input_height
    assert max(sides) == longest
    assert all(side % 32 == 0 for side in sides)
    # A side of 32.4 pixels becomes 32, and the photo that much smaller.
    for side in ("inner_width", "inner_height"):
        whole = getattr(square, side)
        assert whole * (1 - 0.5 / 32) - 1 <= getattr(fitted, side) <= whole
    assert fitted.input_width - fitted.inner_width < 32
    assert fitted.input_height - fitted.inner_height < 32


def test_usual_photos_fit_into_usual_shapes():
    shapes = {(640, 480): (416, 320), (1920, 1080): (416, 256), (480, 640): (320, 416)}
    for photo, shape in shapes.items():
        fitted = Letterbox.fitted(*photo, 416)
        assert (fitted.input_width, fitted.input_height) == shape
