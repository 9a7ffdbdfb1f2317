"""What every step's process has in common: its frame, its store, its progress lines, its KFP metadata.

The only package that opens the store; google-cloud-storage is imported when a gs:// store is opened.
"""
