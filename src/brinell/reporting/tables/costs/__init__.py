"""Tables of what a variant costs, and of what compressors left as it was."""
