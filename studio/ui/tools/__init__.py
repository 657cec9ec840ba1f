"""What other programs may ask of a studio that was started with `--mcp`, see docs/agents.md."""
