"""Datasets: readers, splits, augmentation, the input pipeline."""
