"""One module for each section of docs/reliability.md; tools/attack.py finds them by itself."""
