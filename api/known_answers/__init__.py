"""Known answers (envelope 18): each operation run by product code, one module per subject."""
