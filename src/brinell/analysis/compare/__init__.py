"""What changed between two runs: readings, worst cases and costs, with paired tests on the examples they share."""
