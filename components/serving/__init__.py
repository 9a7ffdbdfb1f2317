"""Serving: the KServe predictor, and the check that it answers as evaluated.

check-serving: the challenger's artifact and the night plan in; the predictor started as a separate
process with its container's CPUs and memory, golden images compared, latency, memory and start-up
measured out.

    classifier.py     bytes to answers, without a server     lanes.py       the same on a thread per CPU
    predictor.py      KServe's model around it               front.py       predictions over HTTP, everything else closed
    payload.py        requests to images                     tensors.py     the V2 protocol's bytes
    body.py           size and time limits                   connections.py a time limit on headers
    grpc_server.py    the V2 protocol over gRPC              server.py      the process, until it is quiet
    metrics.py        what Prometheus reads                  logs.py        JSON lines
    faces.py          where faces are in a photo             photos.py      photos to answers, face by face
    check.py          golden images, latencies               process.py     a predictor's process
    limits.py         its container's limits                 client.py      asks it
    observing.py      who else is told of an answer: shadow.py, features.py

Two more commands take a model artifact and stand outside the pipeline; each has its own --help:
serve starts the predictor; predict answers image files without a server.
"""
