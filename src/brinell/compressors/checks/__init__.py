"""What is checked of every compressor's result: coverage, budgets recounted, agreement with the parent."""
