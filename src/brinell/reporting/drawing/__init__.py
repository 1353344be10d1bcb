"""What figures share: charts, colors, themes, the placement of labels."""
