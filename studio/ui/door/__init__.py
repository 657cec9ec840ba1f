"""Who comes in, and to what: every request passes here before gradio sees it."""
