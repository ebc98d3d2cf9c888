"""The sheet of augmented photos shows the batches of training, with their boxes."""

import cv2
import numpy as np

from utils.data.augment import IGNORED, NO_AUGMENTATION
from utils.data.batches.sample_sheet import CELL, COLUMNS, draw_sample_sheet, with_boxes
from utils.data.batches.samples import Sample, TrainingSamples
from utils.data.records import Dataset, Record
from utils.drawing.colours import colour
from utils.images import read_image


def test_boxes_have_the_colours_of_their_classes_and_ignored_ones_are_grey():
    boxes = np.float32([[10, 10, 50, 50], [60, 60, 100, 100], [10, 60, 50, 100]])
    image = np.zeros((120, 120, 3), np.uint8)
    shown = with_boxes(Sample(image, boxes, np.array([0, 5, IGNORED])))
    assert tuple(shown[30, 10]) == colour(0)
    assert tuple(shown[80, 60]) == colour(5)
    assert len(set(shown[80, 10].tolist())) == 1
    assert not image.any()


def test_the_sheet_holds_the_photos_of_the_first_batches(tmp_path):
    greys, records = (40, 90, 140, 190, 240), []
    for i, grey in enumerate(greys):
        path = tmp_path / f"{i}.png"
        cv2.imwrite(str(path), np.full((CELL, CELL, 3), grey, np.uint8))
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
        records.append(Record(str(i), path, CELL, CELL, *nothing))
    names = tuple(f"a long class name {i}" for i in range(60))
    samples = TrainingSamples(Dataset(tuple(records), names), CELL, 0, NO_AUGMENTATION)
    draw_sample_sheet(tmp_path / "preview.jpg", samples, batch_size=3, first_step=1)
    sheet = read_image(tmp_path / "preview.jpg")
    cell = sheet.shape[1] // COLUMNS
    middles = [
        int(sheet[cell * (i // COLUMNS) + cell // 2, cell * (i % COLUMNS) + cell // 2, 0])
        for i in range(6)
    ]
    expected = [int(samples[3 + i].image[0, 0, 0]) for i in range(6)]
    assert np.abs(np.subtract(middles, expected)).max() <= 3
    assert sheet.shape[0] > 2 * cell + 20  # and the legend, in several lines
