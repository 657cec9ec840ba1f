"""What people look at, made without gradio: figures, galleries, thumbnails, fragments of HTML."""
