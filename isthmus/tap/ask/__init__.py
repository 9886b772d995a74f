"""What is asked of tap. In: a URL, a body, a caller's words. Out: who asks, which pods, what is matched. Never here: a stream."""
