"""Which class of an evaluation a class name in another file means."""

from __future__ import annotations

from collections.abc import Sequence

from utils.data.formats.naming import class_name


class ClassLookup:
    """Class ids by name, whichever way white space and accents are spelt.

    Label files are read so that a run of white space in a name is one space. Other files keep
    theirs, and some programs write é as two signs.

    Args:
        classes: names by class id.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._exact = {name: i for i, name in enumerate(classes)}
        self._alike: dict[str, list[int]] = {}
        for name, i in self._exact.items():
            self._alike.setdefault(class_name(name), []).append(i)

    def find(self, name: str) -> int | None:
        """The class id for a name; None where no class, or more than one, is called so."""
        if name in self._exact:
            return self._exact[name]
        alike = self._alike.get(class_name(name), [])
        return alike[0] if len(alike) == 1 else None
