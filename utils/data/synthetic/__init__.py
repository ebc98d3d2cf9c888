"""A dataset of one's own: road scenes with traffic signs, drawn from numbers alone.

::

    from utils.data.synthetic import CLASSES, draw_scene, write_dataset, write_video

    scene = draw_scene(seed=0, split="test", index=7)   # .image .boxes .names .difficult
    write_dataset(Path("data/signs"), train=400, val=50, test=100)

or ``python -m utils.commands.synthetic --out data/signs``. The parts, in the order in which a scene
comes about: ``layout`` decides what stands where; ``backgrounds_*`` and ``clutter_*`` paint the
place, one pair of modules for training and validation, another for the test split; ``signs``
prints the signs, ``wear`` ages and lights them, ``pose`` puts them into perspective; ``scenes``
composes; ``camera`` takes the photo. ``dataset`` writes VOC, ``video`` a short drive.
"""

from utils.data.synthetic.dataset import write_dataset
from utils.data.synthetic.scenes import Scene, draw_scene
from utils.data.synthetic.signs import CLASSES
from utils.data.synthetic.video import write_video

__all__ = ["CLASSES", "Scene", "draw_scene", "write_dataset", "write_video"]
