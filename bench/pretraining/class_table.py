"""The classes, and the class of each pictogram and clip art.

A pictogram's class follows from its Unicode subgroup or from words in its name, a clip art's from
its folder. Those without a clear class are left out, and so are the subjects of datasets on which
this project is measured.
"""

from __future__ import annotations

import re

MILD, FULL = "mild", "full"  # rotation of objects of a class in an upright picture

# Class → (turning, Unicode subgroups, clip art folders). A subgroup ending in * is a prefix.
_TABLE: dict[str, tuple[str, str, str]] = {
    "face": (FULL, "face-*", "people/smilies"),
    "animal face": (MILD, "cat-face monkey-face", ""),
    "heart": (FULL, "heart", "recreation/holiday/valentines"),
    "hand": (FULL, "hand-* hands", ""),
    "body part": (FULL, "body-parts", "people/bodypart"),
    "person": (MILD, "person person-gesture person-role person-activity person-resting", ""),
    "fantasy person": (MILD, "person-fantasy", ""),
    "sports person": (MILD, "person-sport", ""),
    "mammal": (MILD, "animal-mammal", "animals/mammals animals/mammals/*"),
    "bird": (MILD, "animal-bird", "animals/birds animals/birds/penguin"),
    "reptile": (FULL, "animal-reptile animal-amphibian", "animals/dinosaurs animals/amphibian"),
    "sea animal": (FULL, "animal-marine food-marine", "animals/fish"),
    "insect": (FULL, "animal-bug", "animals/bugs"),
    "flower": (FULL, "plant-flower", "plants/flowers"),
    "plant": (MILD, "plant-other", "plants plants/trees plants/trees/evergreen"),
    "fruit": (FULL, "food-fruit", "food/fruit"),
    "vegetable": (FULL, "food-vegetable", "food/vegetables"),
    "prepared food": (FULL, "food-prepared", "food/breads_and_carbs food/meats_and_eggs"),
    "asian food": (FULL, "food-asian", ""),
    "sweet food": (FULL, "food-sweet", "food/desserts"),
    "drink": (MILD, "drink", "food/beverages food/beverages/alcohol"),
    "dishware": (FULL, "dishware", ""),
    "container": (MILD, "", "containers"),
    "globe": (FULL, "place-map", ""),
    "landscape": (MILD, "place-geographic", ""),
    "building": (MILD, "place-building place-religious", "buildings buildings/homes"),
    "place": (MILD, "place-other", ""),
    "road vehicle": (MILD, "transport-ground", "transportation/vehicles"),
    "two-wheeler": (MILD, "", ""),
    "train": (MILD, "", ""),
    "boat": (MILD, "transport-water", "transportation/boating"),
    "aircraft": (FULL, "transport-air", ""),
    "street furniture": (MILD, "", ""),
    "clock": (FULL, "time", "signs_and_symbols/clocks"),
    "weather": (FULL, "sky & weather", "signs_and_symbols/weather"),
    "star": (FULL, "", "shapes/stars"),
    "festive thing": (FULL, "event", "recreation/holiday/christmas"),
    "award": (FULL, "award-medal", "signs_and_symbols/awards"),
    "ball": (FULL, "", ""),
    "sports gear": (FULL, "sport", "recreation/sports"),
    "game": (FULL, "game", "recreation/games recreation/games/chess recreation/games/dice"),
    "toy": (FULL, "", "recreation/toys"),
    "playing card": (
        FULL,
        "",
        "recreation/games/cards/white recreation/games/cards/ornamental "
        "recreation/games/cards/simple recreation/games/cards/bordered "
        "recreation/games/cards/cardbacks",
    ),
    "art": (FULL, "arts & crafts", ""),
    "garment": (MILD, "clothing", ""),
    "footwear": (FULL, "", ""),
    "headwear": (FULL, "", "people/clothing/hats"),
    "bag": (FULL, "", ""),
    "eyewear": (FULL, "", ""),
    "sound device": (FULL, "sound", ""),
    "musical instrument": (FULL, "musical-instrument", "recreation/music"),
    "music sign": (FULL, "music", ""),
    "phone": (FULL, "phone", "office/telephone"),
    "computer": (FULL, "computer", "computer/hardware"),
    "camera": (FULL, "light & video", ""),
    "lamp": (FULL, "", "electronics/bulb"),
    "book": (FULL, "book-paper", "education/books"),
    "money": (FULL, "money", "signs_and_symbols/money"),
    "mail": (FULL, "mail", ""),
    "pen": (FULL, "writing", ""),
    "office thing": (FULL, "office", ""),
    "lock": (FULL, "lock", ""),
    "tool": (FULL, "tool", "tools"),
    "weapon": (FULL, "", "tools/weapons"),
    "science thing": (FULL, "science", ""),
    "medical thing": (FULL, "medical", ""),
    "furniture": (MILD, "", "buildings/furniture"),
    "household thing": (FULL, "household hotel", ""),
    "other thing": (FULL, "other-object", ""),
    "pictogram": (
        FULL,
        "transport-sign arrow religion zodiac av-symbol gender math punctuation currency "
        "other-symbol keycap alphanum geometric",
        "",
    ),
    "flag": (
        FULL,
        "flag country-flag subdivision-flag",
        "signs_and_symbols/flags/africa signs_and_symbols/flags/america "
        "signs_and_symbols/flags/asia signs_and_symbols/flags/europe "
        "signs_and_symbols/flags/miscellany",
    ),
    # Computed, see shapes.py.
    "disc": (FULL, "", ""),
    "ring": (FULL, "", ""),
    "polygon": (FULL, "", ""),
    "blob": (FULL, "", ""),
    "rod": (FULL, "", ""),
    "cuboid": (FULL, "", ""),
    "word": (FULL, "", ""),
    "barcode": (FULL, "", ""),
    "board": (FULL, "", ""),
}

CLASSES: tuple[str, ...] = tuple(_TABLE)  # class ids are places in this list
SHAPE_CLASSES: tuple[str, ...] = CLASSES[CLASSES.index("disc") :]

# Words in a pictogram's name that override its subgroup: (subgroup, pattern, class).
_BY_WORD: tuple[tuple[str, str, str], ...] = (
    ("transport-ground", r"train|tram|locomotive|railway|metro|monorail|rail|station", "train"),
    ("transport-ground", r"bicycle|scooter|motorcycle|skateboard|roller skate", "two-wheeler"),
    ("transport-ground", r"stop|traffic light|fuel|barrier|construction|track|wheel$|siren|motorway"
     r"|drum", "street furniture"),
    ("sport", r"ball$|8 ball|curling|flying disc", "ball"),
    ("game", r"8 ball", "ball"),
    ("game", r"teddy|yo-yo|puzzle|kite|doll|piñata|mirror ball", "toy"),
    ("clothing", r"shoe|boot|sandal|socks|skate|ballet|flip", "footwear"),
    ("clothing", r"hat|cap|crown|helmet|tiara", "headwear"),
    ("clothing", r"purse|handbag|bag|backpack", "bag"),
    ("clothing", r"glasses|goggles|sunglasses", "eyewear"),
    ("light & video", r"bulb|candle|flashlight|lantern|lamp", "lamp"),
    ("tool", r"dagger|sword|pistol|bow and arrow|bomb|shield|boomerang|hammer and pick", "weapon"),
    ("household", r"chair|couch|bed|toilet|shower|bathtub|door|mirror|window", "furniture"),
    ("household", r"bucket|basket", "container"),
    ("mail", r"package|mailbox|inbox|outbox|ballot", "container"),
    ("hotel", r"luggage", "bag"),
    ("sky & weather", r"star", "star"),
    ("office", r"file box|wastebasket|file cabinet|briefcase", "container"),
    ("animal-mammal", r"paw", "pictogram"),
    ("animal-bird", r"feather|nest", "other thing"),
)  # fmt: skip

# Words in a clip art's file name that override its folder.
_CLIP_WORDS: tuple[tuple[str, str, str | None], ...] = (
    (
        "transportation/vehicles",
        r"sign|parking|light|caution|warning|cross|route|_lane|curve|symbol",
        None,
    ),
    ("transportation/vehicles", r"plane|jet|rocket|copter|aircraft|f-?1[68]|shuttle", "aircraft"),
    ("transportation/vehicles", r"bike|bicycle|motor|cycl|scooter", "two-wheeler"),
    ("transportation/vehicles", r"train|loco|tram|rail", "train"),
    ("transportation/vehicles", r"boat|ship|sail", "boat"),
    ("recreation/music", r"note|clef|staff|cd|vinyl|sheet|symbol|sharp|rest", None),
    ("recreation/sports", r"ball", "ball"),
)

# Subjects of datasets on which this project is measured, and pictures that failed to be made.
_NEVER = re.compile(r"racc?oon|blood|microbe|petri|stop sign|not.?found", re.I)


def class_of_pictogram(subgroup: str, name: str) -> str | None:
    """The class of a Unicode character by its subgroup and name, None where it has none."""
    if _NEVER.search(name):
        return None
    for group, pattern, result in _BY_WORD:
        if subgroup == group and re.search(pattern, name):
            return result
    return _lookup(subgroup, column=1)


def class_of_clip_art(folder: str, stem: str) -> str | None:
    """The class of a clip art by its folder below ``png`` and its name, None where it has none."""
    if _NEVER.search(stem):
        return None
    for place, pattern, result in _CLIP_WORDS:
        if folder == place and re.search(pattern, stem, re.I):
            return result
    return _lookup(folder, column=2)


def turning(name: str) -> str:
    """How far objects of the class are turned in an upright picture."""
    return _TABLE[name][0]


def _lookup(text: str, *, column: int) -> str | None:
    for name, row in _TABLE.items():
        patterns = _SPLITS[column](row[column])
        if any(text == p or (p.endswith("*") and text.startswith(p[:-1])) for p in patterns):
            return name
    return None


def _subgroups(text: str) -> list[str]:
    # Two of Unicode's names have spaces round their ampersand.
    return [part.replace("\0", " & ") for part in text.replace(" & ", "\0").split(" ") if part]


_SPLITS = {1: _subgroups, 2: str.split}
