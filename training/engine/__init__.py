"""Training, generation and the tiny base model, run from a folder by `python -m training.engine`."""
