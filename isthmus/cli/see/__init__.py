"""The words that show traffic, one file each: a question to the metrics API, and the columns of its answer.

Pure in each: `rows` (protobuf answer to rows) and `columns`. Never here: asking several clusters, printing (see `isthmus.cli.viz`).
"""
