"""Many units at once: on processes of this machine, or as jobs of Slurm."""
