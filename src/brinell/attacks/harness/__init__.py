"""What runs an attack: the network in proved forms, batches, the judge, results; the type that attacks derive from."""
