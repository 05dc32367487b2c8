"""The networks that published measurements name, rebuilt as workloads; one module a data set."""
