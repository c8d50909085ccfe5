"""Many units at once: on processes of this machine, on a Ray cluster, or as jobs of Slurm."""
