"""A fair bench for training recipes: folds of training lists, equal budgets, intervals.

``datasets`` makes the folds, ``variants`` names the recipes, ``runs`` trains and scores them in the
background and keeps every result, ``table`` writes what they say. Test lists are never touched.
"""
