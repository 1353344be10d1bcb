"""Layers of signs: XNOR-Net's and ABC-Net's, their gradients, and their thresholds."""
