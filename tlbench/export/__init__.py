"""From a finished stage to a model that plain transformers loads, and to predictions."""
