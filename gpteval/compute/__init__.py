"""The machine: device, precision, processes, memory, cost, prefetch."""
