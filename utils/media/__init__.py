"""Pictures, videos and cameras in; drawn pictures, videos, tables and label files out."""
