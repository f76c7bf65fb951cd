"""The wire between learner and workers: contract `distrib_l2r.v1` and its codec.

`v1/` holds the contract and the code generated from it. The modules beside it turn its messages into
NumPy arrays and back, and refuse whatever breaks a rule of the contract.
"""
