"""Full disks, damaged folders, killed and stopped processes."""

from __future__ import annotations

from attacks.kind import Kind

KINDS: list[Kind] = []
