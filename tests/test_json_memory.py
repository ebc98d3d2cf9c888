"""JSON that would fill the memory is refused before it is parsed; sound files are not."""

import json
import tracemalloc

import pytest

import utils.data.formats.json_files as json_files
from tests.label_folders import coco_image, coco_json, coco_object
from utils.checkpoint_archive import MAX_PARSED
from utils.data.formats.coco_json import read_coco
from utils.json_memory import BYTES_A_COMMA, parsed_size

SIDES = ",".join(f"{200 + i}.{i:02}" for i in range(42))
# As in COCO's instances_train2017.json, of 440 and 276 bytes on average.
OBJECT = (
    f'{{"segmentation": [[{SIDES}]],"area": 2765.1486500000005,"iscrowd": 0,"image_id": 558840,'
    '"bbox": [199.84,200.46,77.71,70.88],"category_id": 58,"id": 156},'
).encode()
IMAGE = (
    b'{"license": 3,"file_name": "000000391895.jpg","coco_url": "http://images.cocodataset.org/'
    b'train2017/000000391895.jpg","height": 360,"width": 640,"date_captured": "2013-11-14 11:18:45"'
    b',"flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg","id": 391895}'
)


@pytest.mark.parametrize(
    "value", ["999", "1.5", '"ab"', "[]", "[999]", "{}", '{"a":999,"b":998}', OBJECT[:-1].decode()]
)
def test_the_estimate_is_near_what_python_takes(value):
    text = f"[{','.join([value] * 5000)}]"
    tracemalloc.start()
    parsed = json.loads(text)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(parsed) == 5000
    assert 0.85 * taken < parsed_size(text.encode()) < 2.5 * taken


def test_wide_characters_count():
    assert parsed_size(b'"' + b"a" * 1000 + "😀".encode() + b'"') > 4000


def test_the_largest_sound_files_pass_with_a_margin():
    size = 860_000 * parsed_size(OBJECT) + 118_000 * parsed_size(IMAGE)
    size -= 860_000 * BYTES_A_COMMA * json_files._commas_dropped(OBJECT, b'"segmentation"')
    assert size < 0.7 * json_files._MAX_MEMORY
    photo = b'"000000123456": "0123456789abcdef", "000000123456", '  # its hash, and its split
    assert 1_000_000 * parsed_size(photo) < 0.4 * MAX_PARSED


@pytest.mark.parametrize("filling", ["999,", "1.5,", '"abc",', '"c": 1, "d": 1.25,'])
def test_labels_that_would_fill_the_memory_are_not_parsed(filling, tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "_MAX_MEMORY", 3 << 20)  # for a thousandth of the size
    values = filling * (1_200_000 // len(filling))
    text = '{"images": [], "categories": [], "annotations": [], "x": [0, %s 0]}'
    if ":" in filling:
        text = text.replace("[0, %s 0]", '{%s "e": 0}')
    path = tmp_path / "x.json"
    path.write_text(text % values)
    with pytest.raises(ValueError, match="fill the memory; cut it into several files"):
        read_coco(path)


def outlined(path, change=lambda text: text):
    sides = [[i / 8 for i in range(2000, 2400)]]
    things = [coco_object(0, segmentation=sides) for _ in range(500)]
    coco_json(path, [coco_image(0, "a.jpg")], things)
    path.write_text(change(path.read_text()))


def test_outlines_are_dropped_one_by_one_and_do_not_count(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    outlined(path)
    monkeypatch.setattr(json_files, "_MAX_MEMORY", 3 << 20)
    assert read_coco(path).objects == 500
    outlined(path, lambda text: text.replace("segmentation", "other"))  # that nobody drops
    with pytest.raises(ValueError, match="fill the memory"):
        read_coco(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"segmentation": [%s], "segmentation": [],' * 9,  # the object never ends
        '{"segmentation": [%s], "a": {"b": ' + "1" * 2000 + "}}",  # nor here, before another has
        '{"segmentation": [' + "1," * 600_000 + "1]}",  # long
        '"segmentation": "%s}"',  # a text
    ],
)
def test_what_is_not_dropped_soon_counts(text):
    data = (text.replace("%s", "1,2,3,4")).encode()
    assert json_files._commas_dropped(data, b'"segmentation"') == 0


@pytest.mark.parametrize(
    ("text", "commas"),
    [
        ('{"segmentation": [[1, 2.5, 3e1, -4]], "area": 12.5, "bbox": [1, 2, 3, 4]}', 4),
        ('{"segmentation": [[1, 2],[3, 4,\n5]], "attributes": {"occluded": false}, "id": 1}', 5),
        ('{"id": 1, "segmentation": {"size": [30, 40], "counts": [5, 6]}, "iscrowd": 1}', 3),
        ('{"segmentation":[1,2,3,4]}', 3),
    ],
)
def test_outlines_and_masks_of_all_programs_are_dropped(text, commas):
    data = 3 * text.encode()
    assert json_files._commas_dropped(data, b'"segmentation"') == 3 * commas


def test_a_key_for_each_value_is_not_endless(tmp_path):
    path = tmp_path / "x.json"
    keys = ",".join(f'"{i}": 0' for i in range(20_000))
    path.write_text(f'{{"images": [], "annotations": [], "categories": [], "x": {{{keys}}}}}')
    with pytest.raises(ValueError, match="more than 10,000 different keys"):
        read_coco(path)
