"""Writing label files as VOC, YOLO and COCO, one function a file."""
