"""Heat maps: where a detector saw evidence for an object. See ``docs/heatmaps.md``.

    from utils.heatmaps.evidence import Evidence

    seen = Evidence("best.keras")("photo.jpg")
    heat = seen.heat("stop")                    # a HeatMap
    heat.on_photo()                             # float32 (H, W), for each pixel of the photo

``layer_cam`` holds the formula, ``heat_map`` the way from cells to the photo's pixels, ``evidence``
the network, and ``sheet`` the drawing.
"""
