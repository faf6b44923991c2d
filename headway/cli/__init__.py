"""The command line. Each file holds the commands of one subject; `main` puts them together."""
