"""What a user would pick instead, behind the same call as `coft.fit`."""
