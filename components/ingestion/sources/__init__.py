"""Sources.

A *place* holds named objects (folder, archive, bucket), a *layout* says what they mean (class
folders, tables).

Several sources are joined into one place and one layout (`gathering`, `joined`). Standard library
only, so that listing a source starts in an instant; the clients of gs://, s3:// and kaggle:// are
imported when such a place is opened. A new place is a new file and a line in `opening`; a new
layout a new file and a line in `detection`.
"""
