"""DirectMHP (arXiv 2302.01110) as published: the reference beside which headway's own head pose network is measured."""
