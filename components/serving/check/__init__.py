"""The serving check: golden images sent to the real server, their answers and latencies out."""
