"""The checks: each takes the folder and yields findings.

``CHECKS`` is all of them in order, but ``check_sizes``, which needs the measured sizes
(``doctor.py``).
"""

from utils.data.doctor.checks.box_checks import check_boxes, check_pairs, check_repeated
from utils.data.doctor.checks.class_checks import check_classes, check_names
from utils.data.doctor.checks.label_checks import check_labels, check_objects
from utils.data.doctor.checks.photo_checks import check_photos
from utils.data.doctor.checks.split_checks import check_copies, check_lists

CHECKS = (
    check_photos,
    check_labels,
    check_objects,
    check_boxes,
    check_pairs,
    check_repeated,
    check_names,
    check_classes,
    check_lists,
    check_copies,
)
