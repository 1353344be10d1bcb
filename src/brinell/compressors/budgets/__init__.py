"""Budgets of operations, parameters and bytes, and what they come to for a network."""
