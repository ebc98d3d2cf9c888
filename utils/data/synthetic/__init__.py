"""A synthetic dataset: road scenes with traffic signs, drawn from random numbers.

::

    from utils.data.synthetic import CLASSES, draw_scene, write_dataset, write_video

    scene = draw_scene(seed=0, split="test", index=7)   # .image .boxes .names .difficult
    write_dataset(Path("data/signs"), train=400, val=50, test=100)

or ``python -m utils.commands.synthetic --out data/signs``. The steps of a scene: ``layout`` decides
sizes and positions. ``backgrounds_*`` and ``clutter_*`` paint the surroundings, one pair of modules
for training and validation, another for the test split. ``signs`` draws the signs, ``wear`` ages
and lights them, ``pose`` puts them into perspective. ``scenes`` composes, ``camera`` makes the
photo. ``generate`` writes a VOC folder, ``video`` a short drive.
"""

from utils.data.synthetic.generate import write_dataset
from utils.data.synthetic.scenes import Scene, draw_scene
from utils.data.synthetic.signs import CLASSES
from utils.data.synthetic.video import write_video

__all__ = ["CLASSES", "Scene", "draw_scene", "write_dataset", "write_video"]
