"""How certain a figure or a difference is: intervals and paired tests."""
