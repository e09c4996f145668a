"""grpcforkshim as a wheel: the package has nothing to import, and no program that is run with the
shim imports it.  `python -m grpcforkshim` is the command."""
