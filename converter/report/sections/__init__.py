"""Sections of report.html: each draws its part of the document, or nothing where that part was not measured."""
