"""VOC and COCO metrics of a set of detections."""
