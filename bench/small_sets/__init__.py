"""Five small datasets that each ask one hard thing of a detector, and a bench that trains on them.

``sets`` says what they are and draws their photos, ``runs`` trains, scores and keeps the results.
"""
