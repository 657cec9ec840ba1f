"""The page: gradio lives here and nowhere else."""
