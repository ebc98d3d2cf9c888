"""One scene: the plan of ``layout``, drawn and photographed.

The same seed, split and index always give the same scene: all random numbers come from
``default_rng([seed, split, index, part])``. Backgrounds, distractors and occluders come from one
set of generators for the training and validation splits, and from another for the test split.
Signs, wear, light and camera are common to all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.data.synthetic import (
    backgrounds_test,
    backgrounds_train,
    camera,
    canvas,
    clutter_test,
    clutter_train,
    layout,
    pose,
    signs,
    wear,
)
from utils.data.synthetic.props import Background, Props

SPLIT_IDS = {"train": 0, "val": 1, "test": 2}
OCCLUDED_SHARE = 0.22  # of the signs have an occluder
DIFFICULT_BELOW = 0.4  # a sign with a smaller visible share is marked difficult
UNLABELLED_BELOW = 0.1  # a sign with a smaller visible share gets no label
NO_SIGN = -1  # in the sign map: no sign is visible at this pixel

_TRAIN = Props(
    backgrounds_train.BACKGROUNDS,
    clutter_train.HUNG,
    clutter_train.STANDING,
    clutter_train.OCCLUDERS,
)
_TEST = Props(
    backgrounds_test.BACKGROUNDS, clutter_test.HUNG, clutter_test.STANDING, clutter_test.OCCLUDERS
)
PROPS = {"train": _TRAIN, "val": _TRAIN, "test": _TEST}


@dataclass(frozen=True)
class Scene:
    """A drawn scene and its labels.

    Attributes:
        image: uint8 RGB (H, W, 3).
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels: the extent of the sign's whole outline,
            occluded parts included, clipped to the picture.
        names: N class names.
        difficult: bool (N,), signs with a visible share below ``DIFFICULT_BELOW``. Signs below
            ``UNLABELLED_BELOW`` have no label.
    """

    image: np.ndarray
    boxes: np.ndarray
    names: tuple[str, ...]
    difficult: np.ndarray


def plan(seed: int, split: str, index: int) -> layout.ScenePlan:
    """The layout of scene ``index`` of ``split``; cheap, nothing is drawn."""
    return layout.plan_scene(np.random.default_rng([seed, SPLIT_IDS[split], index, 0]))


def draw_scene(seed: int, split: str, index: int) -> Scene:
    """Scene ``index`` of ``split`` (``train``, ``val`` or ``test``)."""
    scene_plan = plan(seed, split, index)
    rng = np.random.default_rng([seed, SPLIT_IDS[split], index, 1])
    return render_scene(scene_plan, rng, PROPS[split])


def render_scene(scene_plan: layout.ScenePlan, rng: np.random.Generator, props: Props) -> Scene:
    """Draw a plan with a split's generators and photograph it."""
    light = camera.draw_light(rng)
    background = props.backgrounds[
        int(rng.choice(len(props.backgrounds), p=[p.weight for p in props.backgrounds]))
    ]
    picture = draw_background(rng, scene_plan, background, props, light)
    sign_map = np.full(picture.shape[:2], NO_SIGN, np.int16)
    for number, sign in enumerate(scene_plan.signs):
        if sign.pole:
            foot = _foot(rng, scene_plan, background, sign.box)
            draw_pole(rng, picture, sign_map, sign.box, foot, light)
        draw_sign(rng, picture, sign_map, sign, light, number)
        if rng.random() < OCCLUDED_SHARE:
            ground = scene_plan.horizon if background.ground else scene_plan.height
            _occlude(rng, picture, sign_map, sign.box, ground, props, light)
    visible = np.array(
        [
            np.count_nonzero(sign_map == number) / _area(sign.edge)
            for number, sign in enumerate(scene_plan.signs)
        ]
    )
    photo = camera.photograph(
        rng, picture, smallest=scene_plan.smallest, dark=light.name == "night"
    )
    kept = np.flatnonzero(visible >= UNLABELLED_BELOW)
    names = tuple(scene_plan.signs[number].kind for number in kept)
    return Scene(photo, scene_plan.boxes[kept], names, visible[kept] < DIFFICULT_BELOW)


def draw_background(
    rng: np.random.Generator,
    scene_plan: layout.ScenePlan,
    background: Background,
    props: Props,
    light: camera.Light,
) -> np.ndarray:
    """A background with distractors, none of them behind a sign, in the light of the scene."""
    width, height, horizon = scene_plan.width, scene_plan.height, scene_plan.horizon
    picture = background.paint(rng, height, width, horizon)
    daylight = camera.Light(
        "day", np.ones(3, np.float32), 1.0
    )  # the scene's light is applied to everything at the end
    for _ in range(int(rng.integers(1, 7))):
        side = np.exp(rng.uniform(np.log(0.03), np.log(0.26))) * max(width, height)
        standing = background.ground and rng.random() < 0.35
        x = rng.uniform(-0.1 * side, width - 0.6 * side)
        y = rng.uniform(0, 0.8 * height)
        if standing:  # the nearer, the larger and the lower
            y = horizon + min(1.0, side / (0.3 * height)) * 0.8 * (height - horizon) - side
        box = np.array([x, y, x + side, y + side])
        if any(_touch(box, sign.box) for sign in scene_plan.signs):
            continue
        make = canvas.pick(rng, props.standing if standing else props.hung)
        if not standing and rng.random() < 0.5:
            foot = _foot(rng, scene_plan, background, box)
            draw_pole(rng, picture, None, box, foot, daylight)
        place_patch(rng, picture, *make(rng, _sheet_size(side)), box, upright=standing)
    camera.apply_light(picture, light)
    return picture


def draw_sign(
    rng: np.random.Generator,
    picture: np.ndarray,
    sign_map: np.ndarray,
    sign: layout.SignPlan,
    light: camera.Light,
    number: int,
) -> None:
    """Print, age, light and paste one sign; its pixels become ``number`` in ``sign_map``."""
    side = max(sign.box[2] - sign.box[0], sign.box[3] - sign.box[1])
    face = signs.draw_face(sign.kind, rng, _sheet_size(side))
    face = wear.lit(rng, wear.aged(rng, face), light.sign_brightness)
    patch, alpha, x, y = pose.warp_face(face, sign.homography, signs.outline(sign.kind))
    canvas.paste(picture, patch, alpha, x, y)
    _mark(sign_map, alpha, x, y, number)


def draw_pole(
    rng: np.random.Generator,
    picture: np.ndarray,
    sign_map: np.ndarray | None,
    box: np.ndarray,
    foot: float,
    light: camera.Light,
) -> None:
    """A round pole from behind ``box`` down to row ``foot``, in place."""
    tall = box[3] - box[1]
    width, top = max(2, round(tall * rng.uniform(0.06, 0.11))), round(box[1] + 0.3 * tall)
    tone = canvas.pick_colour(rng, ((150, 152, 154), (96, 98, 100), (120, 92, 64)), 14)
    side = rng.uniform(0.2, 1.4)  # the lit side of the tube
    profile = 0.5 + 0.6 * np.sin(np.linspace(side, side + 1.6, width))
    row = np.clip(tone * profile[:, None] * light.scene_gain, 0, 255).astype(np.uint8)
    patch = np.repeat(row[None], max(1, round(foot) - top), 0)
    alpha = np.ones(patch.shape[:2], np.float32)
    x = round((box[0] + box[2]) / 2 - width / 2)
    canvas.paste(picture, patch, alpha, x, top)
    if sign_map is not None:
        _mark(sign_map, alpha, x, top, NO_SIGN)


def _foot(
    rng: np.random.Generator, scene_plan: layout.ScenePlan, background: Background, box: np.ndarray
) -> float:
    """Row where a pole meets the ground; below the picture where there is no ground."""
    if not background.ground:
        return scene_plan.height
    depth = scene_plan.height - scene_plan.horizon
    near = (box[3] - box[1]) / scene_plan.height * rng.uniform(3, 5)
    return max(scene_plan.horizon + near * depth, box[3] + 1.2 * (box[3] - box[1]))


def place_patch(
    rng: np.random.Generator,
    picture: np.ndarray,
    patch: np.ndarray,
    alpha: np.ndarray,
    box: np.ndarray,
    *,
    upright: bool,
) -> None:
    """Lay a flat patch into ``box``, in place: tilted like a sign, or ``upright``."""
    sheet, mask = _squared(patch, alpha)
    side = box[2] - box[0]
    tilt = np.eye(3) if upright else layout.random_tilt(rng)
    homography = pose.scaled_to(tilt, signs.SQUARE, side)
    homography = pose.shifted(homography, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    both = np.dstack([sheet, np.rint(mask * 255).astype(np.uint8)])
    warped, cover, x, y = pose.warp_face(both, homography, signs.SQUARE)
    canvas.paste(picture, warped[..., :3], cover * warped[..., 3] / np.float32(255), x, y)


def _occlude(
    rng: np.random.Generator,
    picture: np.ndarray,
    sign_map: np.ndarray,
    box: np.ndarray,
    ground: int,
    props: Props,
    light: camera.Light,
) -> None:
    """Draw an occluder over a part of ``box``, in place; vehicles only where ``ground`` is near."""
    size = max(8, round(max(box[2:] - box[:2]) * rng.uniform(0.8, 1.2)))
    for choice in rng.permutation(len(props.occluders)):
        patch, alpha = props.occluders[choice](rng, size)
        left, top = _in_front(rng, box, *alpha.shape)
        if top + len(alpha) < ground and not _is_tall(*alpha.shape):
            continue  # it would float in the air
        patch = np.clip(patch * light.scene_gain, 0, 255).astype(np.uint8)
        canvas.paste(picture, patch, alpha, left, top)
        _mark(sign_map, alpha, left, top, NO_SIGN)
        return


def _in_front(
    rng: np.random.Generator, box: np.ndarray, height: int, width: int
) -> tuple[int, int]:
    """Corner ``left, top`` at which an occluder of this size covers a part of ``box``."""
    wide, tall = box[2] - box[0], box[3] - box[1]
    way = 1 if rng.random() < 0.5 else -1
    if not _is_tall(height, width):  # it covers the lower part
        offset, top = rng.uniform(0, 0.6) * wide, box[3] - rng.uniform(0.15, 0.45) * tall
    elif width > 0.5 * wide:  # it covers one side
        offset = (wide + width) / 2 - rng.uniform(0.15, 0.5) * wide
        top = box[1] - rng.uniform(0, 0.25) * tall
    else:  # it is narrow and may cover the middle
        offset, top = rng.uniform(0, 0.4) * wide, box[1] - rng.uniform(0, 0.5) * tall
    return round((box[0] + box[2]) / 2 + way * offset - width / 2), round(top)


def _is_tall(height: int, width: int) -> bool:
    return height > 1.3 * width


def _mark(sign_map: np.ndarray, alpha: np.ndarray, x: int, y: int, number: int) -> None:
    """Write ``number`` into the sign map where ``alpha`` is more than one half."""
    target, inside = canvas.clipped(sign_map.shape, alpha.shape, x, y)
    sign_map[target][alpha[inside] > 0.5] = number


def _area(points: np.ndarray) -> float:
    """Area of a polygon (P, 2)."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _sheet_size(side: float) -> int:
    """Side in pixels of the sheet for something ``side`` pixels large in the photo."""
    return int(np.clip(2 * round(0.75 * side), 64, 384))


def _squared(patch: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A patch centred on a transparent square sheet."""
    height, width = alpha.shape
    side = max(height, width)
    sheet, mask = np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.float32)
    # Colour under transparent pixels bleeds into the edge when the sheet is resized.
    sheet[:] = patch[height // 2, width // 2]
    y, x = (side - height) // 2, (side - width) // 2
    sheet[y : y + height, x : x + width] = patch
    mask[y : y + height, x : x + width] = alpha
    return sheet, mask


def _touch(box: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(box[:2] < other[2:]) and np.all(other[:2] < box[2:]))
