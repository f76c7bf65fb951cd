"""The local launcher behind `make run`: a learner, its workers and an evaluator on this machine, for some minutes."""
