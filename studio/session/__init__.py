"""What a page remembers, without gradio: data set, prompts, opened runs, selections, tasks."""
