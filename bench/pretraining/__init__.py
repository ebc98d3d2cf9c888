"""A large, varied set of drawn scenes on which the detector's neck and heads are pretrained.

Openly licensed pictograms and clip arts, and shapes made from numbers, are strewn over made-up
backgrounds; what they are and where they lie is known exactly. It is no dataset of anything: it
teaches objectness, boxes and occlusion, so that a user's 150 photos have less to teach.

``python -m bench.pretraining --out runs/drawn`` fetches, draws and writes. The parts, in the
order in which a picture comes about: ``sources`` fetches packages; ``classes`` says what is what;
``drawings`` renders the pictograms once; ``textures`` and ``backgrounds`` paint the place;
``shapes`` makes discs, words and the like; ``place`` puts a drawing into perspective and measures
its box; ``light`` colours it, and takes the photo; ``scenes`` composes; ``write`` writes COCO.
"""
