"""The words that show requests as they happen, and what is made of them: tap, top, trace, profile.

In: events of the tap service. Out: lines, tables, a ServiceProfile. Never here: how requests are joined (see `isthmus.tap.tell.join`).
"""
