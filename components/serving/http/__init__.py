"""HTTP before KServe's own application: limits, connections, and a page for people."""
