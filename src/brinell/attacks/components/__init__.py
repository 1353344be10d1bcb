"""Parts that several attacks share: projections, what was found so far, who is undecided, gradient steps."""
