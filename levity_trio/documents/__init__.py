"""Statements as a person gets them: HTML, PDF, CSV and JSON, and the owner's covering sheet.

`statement_sheet` turns a Statement into a Sheet: all its words and figures, as texts in their
order. HTML and PDF lay out the same Sheet, so they cannot differ. CSV and JSON are for programs,
with stable names. Nothing here reads a database or a clock. The server loads neither fpdf2 nor
fontTools: `printing` makes PDFs in a process of its own. They come with the extra `pdf`, without
which the other forms are made all the same.
"""


class DocumentProblem(Exception):
    """A document cannot be made. The text says why and what to do."""


class NotInstalled(DocumentProblem):
    """What PDFs and logos need is not installed."""
