"""The checks: each takes the folder and yields findings; ``CHECKS`` is all of them, in order."""

from utils.data.doctor.checks.boxes import check_boxes, check_pairs, check_repeated
from utils.data.doctor.checks.classes import check_classes, check_names
from utils.data.doctor.checks.labels import check_errors, check_labels
from utils.data.doctor.checks.photos import check_photos
from utils.data.doctor.checks.sizes import check_sizes
from utils.data.doctor.checks.splits import check_copies, check_lists

CHECKS = (
    check_photos,
    check_labels,
    check_errors,
    check_boxes,
    check_pairs,
    check_repeated,
    check_names,
    check_classes,
    check_lists,
    check_copies,
    check_sizes,
)
