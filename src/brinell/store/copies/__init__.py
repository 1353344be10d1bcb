"""Copies of a run or of its files: in few files, under a URL, under the variants' names."""
