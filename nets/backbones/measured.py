"""What a detector on each backbone costs. Written by ``python -m bench.backbone_costs``."""

MACHINE = "2 cores (x86_64), fastest of 5 passes"

# name: parameters, multiply-adds at 416 x 416 with 20 classes, milliseconds an image
DETECTORS = {
    "efficientnet_b0": (10654029, 3089671392, 67.1),
    "efficientnet_b1": (13179697, 3722542560, 90.7),
    "efficientnet_b2": (15725507, 4425822960, 91.8),
    "efficientnet_b3": (20300825, 5861343824, 121.0),
    "efficientnet_b4": (30634761, 8653581152, 160.5),
    "efficientnet_b5": (45270001, 12544994816, 230.2),
    "efficientnet_b6": (62198281, 17203477248, 291.3),
    "efficientnet_b7": (90348305, 24781221312, 407.3),
    "efficientnet_lite0": (10017489, 3089044192, 54.4),
    "efficientnet_lite1": (10793809, 3493540960, 64.8),
    "efficientnet_lite2": (12871681, 4152713968, 67.8),
    "efficientnet_lite3": (16609393, 5501907216, 91.5),
    "efficientnet_lite4": (25030305, 8163549056, 122.4),
    "efficientnetv2_b0": (8827505, 3721308192, 61.4),
    "efficientnetv2_b1": (9839317, 4747913248, 74.1),
    "efficientnetv2_b2": (12179647, 5546323600, 82.5),
    "efficientnetv2_b3": (17160687, 7330135344, 108.4),
    "efficientnetv2_s": (25788545, 12179311808, 146.6),
    "efficientnetv2_m": (70447253, 23351470432, 292.1),
    "efficientnetv2_l": (144997377, 49719279168, 544.7),
    "mobilenet_v3_large": (5279217, 1770031360, 44.0),
    "mobilenet_v3_small": (1635585, 476254592, 21.7),
}
