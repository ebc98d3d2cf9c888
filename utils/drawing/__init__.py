"""Boxes on photos, and several pictures on one sheet."""
