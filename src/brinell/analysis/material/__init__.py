"""A network under attack as a material: stress, strain, breaking point, character (BreakingBED, sections 3 and 4)."""
