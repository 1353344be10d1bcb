"""What commands print: tables, progress, summaries, and formats for machines."""
