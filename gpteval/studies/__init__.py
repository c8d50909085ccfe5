"""Questions over several measurements: ablations, layers, curves, the doctor."""
