"""FER2013's images with FER+'s labels: eight classes by the majority of ten annotators, 48x48 gray.

    emotion run --preset ferplus --data fer2013.csv --data fer2013new.csv

The images may also come in folders, with a table of votes that names them. An image is left out
when no answer has more than half of the votes (single votes don't count), or when that answer is
"unknown" or "not a face" (Barsoum et al. 2016). The labels aren't FER2013's, so neither its figures
nor its champion are comparable: the model has a name of its own.

Not run.
"""

from components.shared.preset import DataPolicy, ImageSpec, Preset, ValidationPolicy, VotesPolicy
from pipelines.presets.fer2013_cnn import FER2013_CNN

FERPLUS = Preset(
    name="ferplus",
    model_name="ferplus",
    summary=(
        "FER2013's images with FER+'s majority labels, eight classes, 48x48 gray; the CNN of"
        " fer2013-cnn"
    ),
    data=DataPolicy(taxonomy="basic-8", image=ImageSpec(48, 48, 1), votes=VotesPolicy()),
    # Contempt and disgust are rare: 119 training rows each, 13 and 24 test rows in the Kaggle
    # folders.
    validation=ValidationPolicy(
        max_reject_rate=0.01, min_train_per_class=50, min_test_per_class=10
    ),
    resampling=FER2013_CNN.resampling,
    training=FER2013_CNN.training,
    gate=FER2013_CNN.gate,
)
