"""The one way in which planning fails."""


class PlanError(Exception):
    """Nothing is written; the message says what, the value, the rule and the remedy.

    No ValueError: the parser of flags would take it for its own and drown the sentence in a usage text.
    """


class DoesNotFitError(PlanError):
    """More is asked than the nodes hold; the message is the arithmetic."""
