"""Methods: the weight of each row in the loss of a mixed batch."""
