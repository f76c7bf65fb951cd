"""What launches the services: the local launcher, containers and manifests."""
