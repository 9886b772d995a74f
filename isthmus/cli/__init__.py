"""Words to people: the command line. Each file holds the commands of one matter and calls rooms below; none thinks for itself."""
