"""What a detector on each backbone costs. Written by ``python -m bench.backbone_costs``."""

MACHINE = "2 cores (x86_64), fastest of 5 passes"

# name: parameters, multiply-adds at 416 x 416 with 20 classes, milliseconds an image
DETECTORS = {
    "efficientnet_b0": (10654029, 3089671392, 105.6),
    "efficientnet_b1": (13179697, 3722542560, 128.5),
    "efficientnet_b2": (15725507, 4425822960, 143.8),
    "efficientnet_b3": (20300825, 5861343824, 204.8),
    "efficientnet_b4": (30634761, 8653581152, 254.0),
    "efficientnet_b5": (45270001, 12544994816, 365.7),
    "efficientnet_b6": (62198281, 17203477248, 459.0),
    "efficientnet_b7": (90348305, 24781221312, 692.1),
    "efficientnet_lite0": (10017489, 3089044192, 82.1),
    "efficientnet_lite1": (10793809, 3493540960, 89.1),
    "efficientnet_lite2": (12871681, 4152713968, 102.8),
    "efficientnet_lite3": (16609393, 5501907216, 149.9),
    "efficientnet_lite4": (25030305, 8163549056, 187.1),
    "efficientnetv2_b0": (8827505, 3721308192, 82.1),
    "efficientnetv2_b1": (9839317, 4747913248, 109.7),
    "efficientnetv2_b2": (12179647, 5546323600, 126.3),
    "efficientnetv2_b3": (17160687, 7330135344, 161.2),
    "efficientnetv2_s": (25788545, 12179311808, 225.0),
    "efficientnetv2_m": (70447253, 23351470432, 467.6),
    "efficientnetv2_l": (144997377, 49719279168, 989.3),
    "mobilenet_v3_large": (5279217, 1770031360, 58.0),
    "mobilenet_v3_small": (1635585, 476254592, 25.9),
}
