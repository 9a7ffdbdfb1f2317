"""Photos: a picture with any number of faces in, each face cut out and answered."""
