"""What a run chooses by itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.data.input_size import choose_input_size
from utils.data.records import Dataset, Record
from utils.training import automatic, pace
from utils.training.automatic import choose_batch_size, choose_epochs
from utils.training.build import epochs_for, recipe_for
from utils.training.config import TrainConfig
from utils.training.pace import photos_seen
from utils.training.processor import VARIABLE, has_bfloat16, set_fast_math


def dataset(side, *, photo=(1000, 800), count=40):
    """Photos with one square object of this many pixels each."""
    records = tuple(
        Record(
            image_id=str(i), image=Path(f"{i}.jpg"), width=photo[0], height=photo[1],
            boxes=np.array([[10, 10, 10 + side, 10 + side]], np.float32),
            class_ids=np.zeros(1, np.int32), difficult=np.zeros(1, bool),
        )
        for i in range(count)
    )  # fmt: skip
    return Dataset(records, ("thing",))


def test_large_objects_need_few_pixels_and_small_ones_many():
    sizes = [choose_input_size(dataset(side))[0] for side in (500, 90, 70, 50, 20)]
    assert sizes[0] == 256
    assert sizes[-1] == 640
    assert sizes == sorted(sizes)


def test_no_more_pixels_than_the_photos_have():
    assert choose_input_size(dataset(8, photo=(320, 240)))[0] == 320
    assert choose_input_size(dataset(8, photo=(450, 300)))[0] == 416
    assert choose_input_size(dataset(8, photo=(200, 100)))[0] == 256


def test_wide_photos_may_have_more_pixels_along_their_side():
    assert choose_input_size(dataset(8, photo=(1600, 400)))[0] == 1024
    assert choose_input_size(dataset(8, photo=(1600, 1200)))[0] == 640
    squares = choose_input_size(dataset(8, photo=(1600, 400)), aspect=(1.0, 1.0))
    assert squares[0] == 640  # where training pictures are squares


def test_without_objects_the_smallest_size_and_a_word_on_it():
    empty = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    records = [
        replace(record, **dict(zip(("boxes", "class_ids", "difficult"), empty, strict=True)))
        for record in dataset(50).records
    ]
    size, why = choose_input_size(Dataset(tuple(records), ("thing",)))
    assert size == 256
    assert "no objects" in why


def test_with_little_time_objects_may_be_smaller_but_not_too_small():
    photos = dataset(40)  # 24 pixels at 600: 640 is what they ask for

    def machine(photos_at_640):
        return lambda pixels: photos_at_640 * 640 * 512 / pixels

    sizes = [choose_input_size(photos, seen=machine(n))[0] for n in (9000, 3000, 2000, 1200, 10)]
    assert sizes == [640, 512, 416, 320, 320]  # at 256 they would be 10 pixels
    assert "in this time" in choose_input_size(photos, seen=machine(2000))[1]
    assert choose_input_size(photos, seen=machine(9000)) == choose_input_size(photos)
    assert choose_input_size(dataset(8), seen=machine(10))[0] == 640  # or they could not be seen
    few = machine(1000)
    assert choose_input_size(photos, seen=few)[0] < choose_input_size(photos)[0]
    assert choose_input_size(photos, seen=few, planned=1) == choose_input_size(photos)


def test_photos_seen_in_a_time_follow_from_their_pixels():
    seen = photos_seen("mobilenet_v3_small", minutes=10)
    assert seen(320 * 320) == pytest.approx(4 * seen(640 * 640))
    assert 100 < seen(416 * 416) < 10_000_000


def test_a_fast_forward_pass_promises_less(monkeypatch):
    monkeypatch.setattr(pace, "_seconds", lambda work: 0.1)
    seen = [photos_seen("mobilenet_v3_small", 10, fast_math=fast)(1e5) for fast in (False, True)]
    assert seen[1] == pytest.approx(seen[0] * pace.STEP_OVER_FORWARD / 5.0)


def test_a_run_looks_at_enough_photos_and_not_for_ever():
    assert choose_epochs(20, 20)[0] == 200  # at most
    assert choose_epochs(100, 20)[0] == 40  # 4,000 photos at least
    assert choose_epochs(263, 20)[0] == 20
    assert choose_epochs(20_000, 20)[0] == 20


def test_what_starts_from_nothing_may_see_its_photos_more_often():
    def epochs(**options):
        config = TrainConfig(data=Path("photos"), **options)
        return epochs_for(config, recipe_for(config), None, 1000)[0]

    assert epochs(backbone="efficientnet_lite0") == 20  # heads come with the project
    assert epochs(weights=Path("best.keras")) == 20
    assert epochs(backbone="efficientnet_b0") == 40
    assert epochs(backbone="efficientnet_lite0", head_weights="none") == 40
    assert epochs(backbone_weights="none") == 120
    assert epochs(backbone_weights="none", weights=Path("best.keras")) == 20
    assert epochs(backbone="efficientnet_lite0", recipe="plain") == 100
    assert epochs(backbone_weights="none", recipe="plain") == 200
    assert epochs(backbone="efficientnet_lite0", minutes=5) == 20
    assert epochs(backbone="efficientnet_lite0", minutes=5, epochs=7) == 7
    config = TrainConfig(data=Path("photos"), minutes=24.0)
    assert epochs_for(config, recipe_for(config), None, 1000)[1].endswith(
        "24 minutes allow (--epochs for more)"
    )


class FakeModel:
    pass


def test_few_photos_small_batches_and_never_more_than_fits(monkeypatch):
    monkeypatch.setattr(automatic, "bytes_per_photo", lambda model, size: 100e6)

    def chosen(photos, replicas, hosts, free):
        return choose_batch_size(photos, FakeModel, 416, replicas, hosts, free)

    assert chosen(100, 1, 1, 8e9)[0] == 4
    assert chosen(1000, 1, 1, 8e9)[0] == 8
    assert chosen(1000, 2, 1, None)[0] == 16
    size, why = chosen(1000, 1, 1, 0.5e9)
    assert size == 3
    assert "fits" in why
    assert chosen(1000, 2, 1, 0.5e9)[0] == 2  # two devices share one memory
    assert chosen(1000, 2, 2, 0.5e9)[0] == 6  # each host has its own
    size, why = chosen(1000, 1, 1, 0.1e9)
    assert size == 1
    assert "more than the memory" in why


@pytest.mark.slow
def test_the_estimate_of_memory_grows_with_the_picture():
    from nets.yolo import YOLOv3

    model = YOLOv3("efficientnet_lite0", ["a"], input_size=128)
    small, large = (automatic.bytes_per_photo(model, size) for size in (128, 256))
    assert large == pytest.approx(4 * small, rel=0.05)


def cpu(tmp_path, flags):
    cpuinfo = tmp_path / "cpuinfo"
    if flags:
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: any\nflags\t\t: {flags}\nbugs\t:\n")
    return cpuinfo


@pytest.mark.parametrize(
    ("flags", "there"),
    [("fpu avx512f avx512_bf16 amx_bf16", True), ("fpu avx2 avx512f", False), (None, False)],
)
def test_bfloat16_where_the_processor_says_so(tmp_path, flags, there):
    assert has_bfloat16(cpu(tmp_path, flags)) is there
    environment = {}
    assert set_fast_math(None, environment, cpu(tmp_path, flags)) is there
    assert environment == {VARIABLE: "BF16" if there else "STRICT"}


@pytest.mark.parametrize(
    ("asked", "said", "fast", "left"),
    [
        (None, "STRICT", False, "STRICT"),
        (None, "bf16", True, "bf16"),
        (True, "STRICT", True, "BF16"),
        (False, "BF16", False, "STRICT"),
    ],
)
def test_the_environment_decides_where_nobody_asks(tmp_path, asked, said, fast, left):
    environment = {VARIABLE: said}
    assert set_fast_math(asked, environment, cpu(tmp_path, "avx512_bf16")) is fast
    assert environment == {VARIABLE: left}
