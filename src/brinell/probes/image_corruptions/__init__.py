"""The fifteen corruptions of CIFAR-10-C and ImageNet-C, at five severities, on images of any data set."""

from brinell.probes.image_corruptions.corrupt import CORRUPTIONS, corrupt, severity_set

__all__ = ["CORRUPTIONS", "corrupt", "severity_set"]
