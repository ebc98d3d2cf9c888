"""Scores and error analysis of detections against labels.

``matching.match_results`` matches COCO results with a ground truth. ``metrics.compute_metrics``
gives the scores, from ``coco`` and ``voc``. ``analysis.analyse`` gives the rest, as described in
``schema``: intervals (``bootstrap``), curves (``operating_points``), the confusion matrix
(``confusion``), and errors (``tide``, ``error_costs``, ``label_errors``). ``summaries`` and
``report`` write the files. ``coco_files`` reads and makes COCO's formats, ``run_detector`` gets
detections from a detector, ``tuning`` chooses thresholds, and ``leaks`` finds photos that were
trained on.
"""
