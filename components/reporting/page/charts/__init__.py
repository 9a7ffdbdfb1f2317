"""Charts as SVG elements: numbers in, markup out. Colours and fonts are the page's, by class.

One unit is one CSS pixel. Nothing here sets a style attribute, so that the page's policy can forbid
them.
"""
