"""What bench/run is made of: processes, namespaces, tunnels, workloads, measuring, reporting."""
