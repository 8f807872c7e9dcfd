"""From scikit-learn's fitted objects to the arrays of a compiled model; imports scikit-learn.

Attributes with a leading underscore are scikit-learn's own business and may change: whoever
compiles a model has to compare its answers (``compiled.proof``) before using it.
"""
