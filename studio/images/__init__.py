"""Images of a folder: names, decoding, canvases, small pictures."""
