"""A problem's own history, lived through again in virtual time under several policies.

Pure: the past is given as rows, the clock is an argument, fitted models lie where the caller says.
"""
