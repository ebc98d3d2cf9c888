"""Backbones by name: feature extractors and classifiers, with the published weights.

``BACKBONES`` is the table of members. ``build_backbone`` and ``build_classifier`` build them,
``backbone_cost`` and ``classifier_cost`` give what they cost. ``compound_scaling`` is the paper's
rule.
"""

from nets.backbones.build import build_backbone, build_classifier
from nets.backbones.cost import Cost, backbone_cost, classifier_cost
from nets.backbones.official import WeightsError, WeightsUnavailable
from nets.backbones.scaling import CompoundScaling, compound_scaling, resolve
from nets.backbones.spec import BackboneSpec, Family, Stage
from nets.backbones.tables import BACKBONES

__all__ = [
    "BACKBONES",
    "BackboneSpec",
    "CompoundScaling",
    "Cost",
    "Family",
    "Stage",
    "WeightsError",
    "WeightsUnavailable",
    "backbone_cost",
    "build_backbone",
    "build_classifier",
    "classifier_cost",
    "compound_scaling",
    "resolve",
]
