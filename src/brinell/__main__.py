"""`python -m brinell`, for launchers such as `torchrun -m` that start modules."""

from brinell.cli import main

main()
