"""Pictures and video: what comes in, what goes out, and how detections are drawn."""
