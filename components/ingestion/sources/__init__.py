"""Sources: a *place* holds named objects (folder, zip, bucket), a *layout* says what they mean (class folders, CSV).

Standard library only, so that listing a source starts in an instant; google-cloud-storage is imported
when a gs:// place is opened. A new place or layout is a new file and one line in a registry.
"""
