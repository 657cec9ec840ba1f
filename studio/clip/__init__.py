"""The pre-trained image-text model: loading, encoding, storing features."""
