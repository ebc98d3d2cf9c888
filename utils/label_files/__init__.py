"""Writing label files as VOC, YOLO and COCO. ``utils.data.formats`` reads them."""
