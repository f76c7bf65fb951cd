"""What launches and measures the services: the local launcher, the evaluation of what it trained."""
