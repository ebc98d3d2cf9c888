"""How the weights in ``model_data`` were made.

``convert_lite`` converts the published EfficientNet-Lite weights, ``lite_reference`` compares them
with their PyTorch implementation, ``bundle_checkpoint`` halves the size of a trained checkpoint.

The feature pyramid and the heads are pretrained on photos and on synthetic pictures. These are
openly licensed pictograms and clip arts, and computed shapes, pasted on computed backgrounds (as in
Dwibedi et al., "Cut, Paste and Learn", 2017). Their classes and boxes are known exactly. They teach
objectness, boxes and occlusion, so that a run on 150 photos starts with heads that find objects.

``python -m bench.pretraining --out runs/synthetic`` makes the pictures,
``python -m bench.pretraining.mix`` adds photos, ``python -m bench.pretraining.pretrain`` trains.
The pictures, in the order of their work: ``packages`` fetches the drawings; ``class_table`` gives
them classes; ``drawings`` renders them; ``textures`` and ``backgrounds`` make the background;
``shapes`` makes discs, words and the like; ``placement`` puts a drawing into perspective and
measures its box; ``appearance`` changes its colours and simulates the camera; ``composition`` puts
a picture together; ``write`` writes COCO.
"""
