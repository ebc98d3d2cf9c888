"""Writing labels as VOC, YOLO, COCO and Label Studio JSON. ``utils.data.formats`` reads them."""
