"""What docs/library.md says that its programs print."""

import re


def commands(text):
    """The commands of the guide, each with the output that it shows."""
    blocks = re.findall(r"^```text\n\$ (.*)\n((?:.*\n)*?)```$", text, re.MULTILINE)
    assert len(blocks) >= 2, "docs/library.md has commands with their output"
    return blocks
