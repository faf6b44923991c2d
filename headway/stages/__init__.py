"""The stages of the pipeline: small numpy modules, one task each."""
