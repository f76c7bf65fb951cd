"""The one way in which a job fails."""


class JobError(RuntimeError):
    """The job cannot go on or has not done its work.

    The first line of the message is one sentence; lines after it are the end of a log.
    """

    @property
    def sentence(self) -> str:
        """The first line."""
        return str(self).partition("\n")[0]
