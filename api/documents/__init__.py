"""Documents for people, as PDF/A-3a made by typst: the same facts give the same bytes.

Nothing is drawn from a clock: the date of a document is the instant of the event that it tells.
The proof travels inside the document, as an attached file.
"""
