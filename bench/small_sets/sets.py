"""The five sets: what each is made of, and its photos, drawn by ``utils.data.synthetic``.

The kinds of signs are dealt out to the photos of a list first, so that their numbers are exact;
then each photo is laid out and drawn by itself. The places, the clutter and what stands in front
of signs are the generator's: its test generators for the test list, the others for training. A
photo is drawn anew until all its signs can be seen well enough to be labelled and to count.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from utils.data.synthetic import layout, pose, scenes, signs
from utils.data.synthetic.dataset import GENERATOR_VERSION, image_id, save_scene
from utils.errors import UserError
from utils.files import atomic_write
from utils.label_files.voc import write_voc_list

VERSION = 1  # raised when the same numbers no longer give the same photos
MANIFEST = "small_set.json"
LISTS = ("train", "test")
GAP = 3.0  # pixels between two signs, at least
EDGE = 1.0  # pixels between a sign and the edge of the picture, at least
ATTEMPTS = 60  # to find room for a sign, before the photo is begun anew
PHONE = ((640, 480), (640, 426), (480, 640), (640, 360))  # width, height


@dataclass(frozen=True)
class SmallSet:
    """What a set is made of.

    Attributes:
        asks: what is hard about it, in words.
        seed: other seeds give other photos.
        train, test: photos in the two lists.
        kinds: of signs, each as frequent.
        pictures: width and height in pixels; each photo has one of them.
        sides: smallest and largest sign, root of its box's area in pixels, even in its logarithm.
        signs: fewest and most in a photo.
        rare: one more kind of sign, with how many of it in the training and in the test list.
        enlarged: photos are drawn so much larger and averaged down, which leaves tiny signs as
            sharp as a lens would.
        hidden: whether things stand in front of some signs.
    """

    asks: str
    seed: int
    train: int
    test: int
    kinds: tuple[str, ...]
    pictures: tuple[tuple[int, int], ...]
    sides: tuple[float, float]
    signs: tuple[int, int]
    rare: tuple[str, int, int] | None = None
    enlarged: int = 1
    hidden: bool = True

    def photos(self, split: str) -> int:
        return self.train if split == "train" else self.test


SETS = {
    "tiny": SmallSet(
        asks="objects of 5 to 10 pixels",
        seed=501, train=150, test=60,
        kinds=("no_entry", "pedestrian_crossing"),  # a red disc, a blue square
        pictures=((640, 480),), sides=(5.5, 9.5), signs=(3, 8), enlarged=2, hidden=False,
    ),
    "one_class": SmallSet(
        asks="one class and no other",
        seed=502, train=100, test=60, kinds=("speed_limit",),
        pictures=PHONE, sides=(32, 180), signs=(1, 4),
    ),
    "rare": SmallSet(
        asks="ten examples of one class",
        seed=503, train=150, test=90,
        kinds=("no_entry", "priority_road", "speed_limit", "yield"), rare=("warning", 10, 30),
        pictures=PHONE, sides=(32, 180), signs=(1, 4),
    ),
    "wide": SmallSet(
        asks="pictures of 4:1",
        seed=504, train=120, test=60,
        kinds=("no_entry", "pedestrian_crossing", "priority_road", "yield"),
        pictures=((1600, 400), (1440, 360), (1680, 400)), sides=(22, 68), signs=(2, 6),
    ),
    "twenty": SmallSet(
        asks="20 photos to learn from",
        seed=505, train=20, test=60, kinds=("mandatory_direction", "stop", "yield"),
        pictures=PHONE, sides=(32, 180), signs=(1, 4),
    ),
}  # fmt: skip


def write_set(small: SmallSet, out: Path) -> bool:
    """Draw the photos that ``out`` lacks and write them as VOC; its lists come last.

    Returns:
        False when nothing was missing.

    Raises:
        UserError: ``out`` holds a set of other numbers.
    """
    _claim(small, out)
    missing = [job for job in _jobs(small) if not _is_whole(out, *job)]
    for split, index in missing:
        write_photo(small, out, split, index)
    lists = [out / "ImageSets" / "Main" / f"{split}.txt" for split in LISTS]
    if not missing and all(path.exists() for path in lists):
        return False
    for split in LISTS:
        write_voc_list(out, split, [image_id(split, i) for i in range(small.photos(split))])
    return True


def write_photo(small: SmallSet, out: Path, split: str, index: int) -> None:
    """Draw one photo and write it."""
    save_scene(draw_photo(small, split, index), out, image_id(split, index))


def draw_photo(small: SmallSet, split: str, index: int) -> scenes.Scene:
    """Photo ``index`` of a list; it depends on nothing but the set, the list and the index."""
    props = scenes.PROPS[split] if small.hidden else replace(scenes.PROPS[split], occluders=())
    for plan, rng in _plans(small, split, index):
        scene = scenes.render(plan, rng, props)
        if len(scene.names) == len(plan.signs) and not scene.difficult.any():
            break
    height, width = (side // small.enlarged for side in scene.image.shape[:2])
    image = scene.image
    if small.enlarged > 1:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return replace(scene, image=image, boxes=scene.boxes / np.float32(small.enlarged))


def plan_photo(small: SmallSet, split: str, index: int) -> layout.ScenePlan:
    """The first layout of a photo, in pixels of the enlarged picture; nothing is drawn."""
    return next(_plans(small, split, index))[0]


@lru_cache
def deal(small: SmallSet, split: str) -> tuple[tuple[str, ...], ...]:
    """The kinds of signs in each photo of a list; the rare one at most once in a photo."""
    rng = np.random.default_rng([small.seed, scenes.SPLIT_IDS[split]])
    counts = rng.integers(small.signs[0], small.signs[1] + 1, small.photos(split))
    kind, *rare = small.rare or ("", 0, 0)
    chosen = set(rng.choice(len(counts), rare[LISTS.index(split)], replace=False).tolist())
    others = counts.sum() - len(chosen)
    pack = iter(rng.permutation(np.resize(small.kinds, others)).tolist())
    hands = []
    for photo, count in enumerate(counts):
        own = [kind] if photo in chosen else []
        hands.append(tuple(own + list(itertools.islice(pack, int(count) - len(own)))))
    return tuple(hands)


def _plans(
    small: SmallSet, split: str, index: int
) -> Iterator[tuple[layout.ScenePlan, np.random.Generator]]:
    """Layouts of a photo, one after another, each with the generator that it goes on with."""
    kinds = deal(small, split)[index]
    for attempt in itertools.count():
        # From 1, as trailing zeros change nothing: photo 0 would repeat the numbers of ``deal``.
        rng = np.random.default_rng([small.seed, scenes.SPLIT_IDS[split], index + 1, attempt])
        size = small.pictures[int(rng.integers(len(small.pictures)))]
        width, height = (side * small.enlarged for side in size)
        horizon = round(height * rng.uniform(0.42, 0.72))
        low, high = np.log(np.array(small.sides) * small.enlarged)
        sides = np.sort(np.exp(rng.uniform(low, high, len(kinds))))[::-1]
        placed: list[layout.SignPlan] = []  # large ones find room first
        for kind, side in zip(rng.permutation(kinds).tolist(), sides, strict=True):
            sign = _place(rng, kind, side, placed, width, height)
            if sign is None:
                break
            placed.append(sign)
        else:  # from far to near
            yield layout.ScenePlan(width, height, horizon, tuple(placed[::-1])), rng


def _place(
    rng: np.random.Generator,
    kind: str,
    side: float,
    others: list[layout.SignPlan],
    width: int,
    height: int,
) -> layout.SignPlan | None:
    """A sign whose box has the area ``side²``, whole in the picture and apart from the others."""
    tilt, pole = layout.random_tilt(rng), bool(rng.random() < 0.8)
    edge = signs.outline(kind)
    unit = pose.scaled_to(tilt, edge, 1.0)
    extent = np.ptp(pose.project(unit, edge), axis=0)
    homography = pose.scaled_to(tilt, edge, side / np.sqrt(extent.prod()))
    box = pose.bounds(pose.project(homography, edge))
    for _ in range(ATTEMPTS):
        x, y = rng.uniform(0, width), height * np.clip(rng.normal(0.45, 0.2), 0.02, 0.95)
        moved = box + [x, y, x, y]
        if (moved[:2] < EDGE).any() or (moved[2:] > np.array([width, height]) - EDGE).any():
            continue
        if not any(_near(moved, other.box) for other in others):
            return layout.SignPlan(kind, pose.shifted(homography, x, y), moved, pole)
    return None


def _near(box: np.ndarray, other: np.ndarray) -> bool:
    return bool((box[:2] < other[2:] + GAP).all() and (other[:2] < box[2:] + GAP).all())


def _jobs(small: SmallSet) -> list[tuple[str, int]]:
    return [(split, index) for split in LISTS for index in range(small.photos(split))]


def _is_whole(out: Path, split: str, index: int) -> bool:
    name = image_id(split, index)
    return (out / "Annotations" / f"{name}.xml").exists() and (
        out / "JPEGImages" / f"{name}.jpg"
    ).exists()


def _claim(small: SmallSet, out: Path) -> None:
    """Note in the folder which numbers it is drawn with; refuse one that others have claimed."""
    numbers = {"version": VERSION, "generator": GENERATOR_VERSION, **asdict(small)}
    text = json.dumps(numbers, indent=1) + "\n"
    path = out / MANIFEST
    if not path.exists():
        with atomic_write(path) as file:
            file.write(text)
    elif path.read_text(encoding="utf-8") != text:
        raise UserError(f"{out} was drawn with other numbers; remove it or choose another --out.")
