"""What people look at, made without gradio: figures, tables, cards, fragments of HTML."""
