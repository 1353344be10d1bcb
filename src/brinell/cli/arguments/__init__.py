"""Arguments and options that several commands have: a model, data, settings."""
