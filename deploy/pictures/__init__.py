"""Pictures that the launcher and the evaluation share: their look, a lap on its track."""
