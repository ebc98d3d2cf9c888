"""What a detector on each backbone costs. Written by ``python -m bench.backbone_costs``."""

MACHINE = "2 cores (x86_64), fastest of 5 passes"

# name: parameters, multiply-adds at 416 x 416 with 20 classes, milliseconds an image
DETECTORS = {
    "efficientnet_b0": (5094221, 2165206240, 62.1),
    "efficientnet_b1": (7619889, 2798077408, 73.8),
    "efficientnet_b2": (8732067, 3093226864, 95.9),
    "efficientnet_b3": (11657945, 4124867472, 102.6),
    "efficientnet_b4": (18345225, 5955140576, 170.9),
    "efficientnet_b5": (28948385, 8852780160, 226.6),
    "efficientnet_b6": (41126457, 12265097152, 251.7),
    "efficientnet_b7": (63962689, 18446722752, 428.7),
    "efficientnet_lite0": (4457681, 2164579040, 48.8),
    "efficientnet_lite1": (5234001, 2569075808, 71.3),
    "efficientnet_lite2": (5878241, 2820117872, 72.3),
    "efficientnet_lite3": (7966513, 3765430864, 73.1),
    "efficientnet_lite4": (12740769, 5465108480, 96.7),
    "efficientnetv2_b0": (7111937, 3336518176, 57.0),
    "efficientnetv2_b1": (8123749, 4363123232, 75.4),
    "efficientnetv2_b2": (9917711, 4883751664, 94.7),
    "efficientnetv2_b3": (14019567, 6393742848, 104.8),
    "efficientnetv2_s": (21455889, 10676060864, 153.4),
    "efficientnetv2_m": (53982565, 19279830496, 248.2),
    "efficientnetv2_l": (118437201, 42921769280, 493.7),
    "mobilenet_v3_large": (4277809, 1614962368, 46.9),
    "mobilenet_v3_small": (2305057, 1076812992, 27.3),
}
