"""Heat maps, against formulas written out, finite differences and planted objects."""

from __future__ import annotations

import numpy as np
import pytest

from utils.heatmaps.box import Box
from utils.heatmaps.heat_map import HeatMap
from utils.heatmaps.layer_cam import layer_cam, prediction_weights
from utils.heatmaps.overlay import overlay, scale_bar
from utils.heatmaps.sheet import WIDTH, heat_sheet, part_around
from utils.letterbox import Letterbox


def test_layer_cam_of_a_linear_score_is_the_formula_written_out():
    """y = Σ w·A: its gradient is w everywhere."""
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(2, 5, 4, 3))
    expected = np.zeros((5, 4))
    for row in range(5):
        for column in range(4):
            total = sum(
                max(weights[row, column, k], 0) * features[row, column, k] for k in range(3)
            )
            expected[row, column] = max(total, 0)
    np.testing.assert_allclose(layer_cam(features, weights), expected, atol=1e-6)
    assert (expected == 0).any()
    assert (expected > 0).any()


def test_predictions_that_count():
    scores = np.float32([0.9, 0.4, 0.5, 0.8])
    np.testing.assert_allclose(
        prediction_weights(scores), np.array([0.9, 0, 0.5, 0.8]) / 2.2, rtol=1e-6
    )
    overlaps = np.array([0.1, 0.6, 0.7, 0.49])
    np.testing.assert_allclose(
        prediction_weights(scores, overlaps), np.array([0, 0.4, 0.5, 0]) / 0.9, rtol=1e-6
    )
    np.testing.assert_allclose(
        prediction_weights(scores, np.array([0, 0.1, 0.2, 0.3])), [0, 0, 0, 1]
    )
    np.testing.assert_allclose(prediction_weights(np.zeros(4)), np.full(4, 0.25))
    np.testing.assert_allclose(prediction_weights(np.float32([np.nan, 0.2])), [0, 1])


@pytest.mark.parametrize(("width", "height"), [(640, 320), (200, 500), (333, 333)])
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_a_hot_cell_lands_on_its_pixels(width, height, stride):
    """The peak is where the letterbox maps the centre of the cell to, padding undone."""
    letterbox = Letterbox(width, height, 320, 320)
    rows = columns = 320 // stride
    row, column = rows // 2, columns // 2 - 1
    cells = np.zeros((rows, columns), np.float32)
    cells[row, column] = 1
    heat = HeatMap({stride: cells}, letterbox).on_photo()
    assert heat.shape == (height, width)
    x, y = stride * (column + 0.5), stride * (row + 0.5)  # in pixels of the network input
    expected = letterbox.to_photo([[x, y, x, y]])[0][:2]
    grid_y, grid_x = np.mgrid[:height, :width] + 0.5
    centre = [(heat * grid).sum() / heat.sum() for grid in (grid_x, grid_y)]
    np.testing.assert_allclose(centre, expected, atol=0.02)
    assert heat.max() > 0.9


def test_pixels_between_centres_are_as_of_opencv():
    cv2 = pytest.importorskip("cv2")
    cells = np.random.default_rng(0).random((6, 10)).astype(np.float32)
    heat = HeatMap({8: cells}, Letterbox(80, 48, 80, 48)).on_photo()
    np.testing.assert_allclose(heat, cv2.resize(cells, (80, 48)), atol=1e-6)


def test_parts_of_the_photo_are_cut_out_of_the_whole():
    cells = np.random.default_rng(1).random((10, 10)).astype(np.float32)
    heat = HeatMap({32: cells}, Letterbox(600, 400, 320, 320))
    np.testing.assert_allclose(
        heat.on_photo(region=(50, 30, 250, 130)), heat.on_photo()[30:130, 50:250], atol=1e-5
    )
    assert heat.on_photo(90, 60).mean() == pytest.approx(heat.on_photo().mean(), rel=0.01)


def test_share_of_the_heat_in_a_box():
    even = HeatMap({32: np.ones((10, 10), np.float32)}, Letterbox(640, 320, 320, 320))
    assert even.share_in((0, 0, 640, 320)) == pytest.approx(1)
    assert even.share_in((100.5, 10, 300.5, 90)) == pytest.approx(200 * 80 / (640 * 320))
    assert even.share_in((700, 0, 800, 10)) == 0
    none = HeatMap({32: np.zeros((10, 10), np.float32)}, Letterbox(640, 320, 320, 320))
    assert none.share_in((0, 0, 640, 320)) == 0


def test_an_overlay_shows_the_picture_where_there_is_no_heat():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    cells = np.zeros((4, 8), np.float32)
    cells[:, :3] = 1
    heat = HeatMap({32: cells}, Letterbox(200, 100, 256, 128))
    picture = overlay(image, heat, boxes=[(150, 20, 190, 80)])
    assert picture.shape == image.shape
    left, right = picture[:, :50], picture[:, 120:145]
    assert (left.std(axis=(0, 1)) > 3).all()  # the picture is visible below the heat
    assert left.mean() > 180
    assert left[..., 0].mean() - left[..., 2].mean() > 50  # yellow
    grey = image[:, 120:145].mean(axis=2)
    assert np.corrcoef(right.mean(axis=2).ravel(), grey.ravel())[0, 1] > 0.9
    assert tuple(picture[50, 150]) == (86, 180, 233)


def test_the_scale_gets_lighter_evenly():
    """Equal steps of heat are equal steps of lightness, as far as the grey below allows."""
    cv2 = pytest.importorskip("cv2")
    bar = np.float32(scale_bar(256, 1)) / 255
    lightness = cv2.cvtColor(bar, cv2.COLOR_RGB2LAB)[0, :, 0]
    steps = np.diff(lightness[64::32])
    assert (steps > 0).all()


@pytest.mark.parametrize(("width", "height"), [(200, 150), (8000, 600), (30, 900)])
def test_sheets_have_one_width_for_pictures_of_any_size(width, height):
    letterbox = Letterbox.fitted(width, height, 320)
    shape = letterbox.input_height // 32, letterbox.input_width // 32
    heats = [
        HeatMap({32: np.ones(shape, np.float32)}, letterbox, "a", box, 0.5, 0.9)
        for box in ((0.0, 0.0, 20.0, 9.0), (10.0, 3.0, 10.0, 3.0))
    ]
    objectness = [HeatMap({stride: np.ones(shape, np.float32)}, letterbox) for stride in (8, 16)]
    image = np.zeros((height, width, 3), np.uint8)
    for maps in ([], heats[:1], heats):
        sheet = heat_sheet(image, "a\n" + "x" * 300, maps, objectness, subject="a test")
        assert sheet.shape[1] == WIDTH + 32
        assert sheet.shape[0] < 4000


def test_the_part_around_a_box():
    assert part_around((100, 100, 160, 120), 1000, 1000) == (70, 50, 190, 170)
    assert part_around((0, 0, 10, 10), 1000, 30) == (0, 0, 48, 30)
    assert part_around((990, 500, 1000, 510), 1000, 1000) == (952, 481, 1000, 529)


def test_boxes_as_options():
    assert str(Box.parse("1,2.5,30,40")) == "1,2.5,30,40"
    assert str(Box.parse("1000000.1,0,1000000.9,5")) == "1000000.1,0,1000000.9,5"
    assert Box.parse(str(Box.parse("-1e30,0,1e-7,5"))) == (-1e30, 0, 1e-7, 5)
    for text in ("1,2,3", "1,2,3,4,5", "a,b,c,d", "5,5,5,9", "0,0,inf,1", "nan,0,1,1"):
        with pytest.raises(ValueError):
            Box.parse(text)
    assert Box.parse("-5,2,30,400").inside(100, 50) == (0, 2, 30, 50)
    assert Box.parse("200,2,300,4").inside(100, 50) is None
