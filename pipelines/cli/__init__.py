"""The `emotion` command: `app` lists its commands, which stand in one file per topic."""
