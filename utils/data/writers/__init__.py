"""Writing labelled folders as VOC, COCO or YOLO."""
