"""Charts as SVG trees. Colours are classes of report.css, so that one drawing serves light and dark."""
