"""Version 1 of the contract: its .proto files and the code generated from them."""
