"""The classes of a checkpoint and those of the data: which are the same."""

import pytest

from utils.errors import UserError
from utils.media.class_filter import ClassFilter
from utils.training.choices.classes import (
    class_origins,
    class_texts,
    in_order_of_checkpoint,
    match_classes,
)


@pytest.mark.parametrize(("old", "new", "rename", "checkpoint_ids"), [
    ("a b", "b a", "", (1, 0)),
    ("a b", "c", "", (None,)),
    ("Stop_Sign car", "stop_sign CAR bus", "", (0, 1, None)),
    ("Cat cat", "cat Cat", "", (1, 0)),
    ("Cat", "cat CAT Cat", "", (None, None, 0)),  # to the letter comes first
    ("vehicle", "car truck", "vehicle=car vehicle=truck", (0, 0)),
    ("a b", "a c", "b=c", (0, 1)),
    ("a b", "a b", "a=b", (None, 0)),
    ("Straße", "STRASSE", "", (0,)),
    ("x=1 y", "x=2 z", "x=1=x=2 Y=z", (0, 1)),
    ("Cat cat", "CAT", "Cat=CAT", (0,)),
    ("cat dog", "CAT Cat", "dog=CAT", (1, 0)),
])  # fmt: skip
def test_matches(old, new, rename, checkpoint_ids):
    assert match_classes(tuple(old.split()), tuple(new.split()), rename.split()) == checkpoint_ids


def test_white_space_is_folded():
    assert match_classes(("stop  sign ", "b"), ("Stop sign",)) == (0,)


def test_accents_have_two_spellings():
    assert match_classes(("cafe\u0301", "b"), ("caf\u00e9",)) == (0,)
    assert match_classes(("a", "cafe\u0301"), ("x",), ["caf\u00e9=x"]) == (1,)
    assert ClassFilter(["caf\u00e9"], ["a", "cafe\u0301"], 5).detector_max_det > 5


@pytest.mark.parametrize(("old", "new", "rename", "words"), [
    ("Cat cat", "CAT", "", ("Cat", "cat", "CAT", "--rename")),
    ("CAT", "Cat cat", "", ("CAT", "Cat", "cat", "--rename")),
    ("a b", "a c", "d=c", ("'d'", "a and b")),
    ("a b", "a c", "b=d", ("'d'", "a and c")),
    ("a b", "a c", "b", ("OLD=NEW",)),
    ("a b", "c", "a=c b=c", ("one old class",)),
])  # fmt: skip
def test_what_is_not_clear_is_refused(old, new, rename, words):
    with pytest.raises(UserError) as error:
        match_classes(tuple(old.split()), tuple(new.split()), rename.split())
    assert all(word in str(error.value) for word in words)


def test_known_classes_keep_their_order_and_new_ones_follow():
    assert in_order_of_checkpoint(("a", "b", "c", "d"), (None, 2, None, 0)) == ("d", "b", "a", "c")


def test_what_is_said():
    lines = class_texts(("a", "B", "c"), ("a", "b", "x"), (0, 1, None))
    assert [line.strip() for line in lines[:2]] == ["classes kept: a, b (was B)", "classes new: x"]
    assert "dropped: c" in lines[2]
    assert len(class_texts(("a",), ("a",), (0,))) == 1
    assert "without --weights" in class_texts(("a",), ("b",), (None,))[-1]


def test_origins_are_a_chain():
    first = class_origins("1.keras", ("a", "b"), {}, ("b", "new"), (1, None))
    assert first == {"b": [{"checkpoint": "1.keras", "class": "b"}], "new": []}
    second = class_origins("2.keras", ("b", "new"), first, ("B", "new"), (0, 1))
    assert [step["checkpoint"] for step in second["B"]] == ["1.keras", "2.keras"]
    assert second["new"] == [{"checkpoint": "2.keras", "class": "new"}]
