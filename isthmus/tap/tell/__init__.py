"""What a tap tells. In: events of proxies. Out: named, redacted, joined, framed. Never here: who may see them, a proxy being asked."""
