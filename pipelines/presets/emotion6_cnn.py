"""Six emotions, 64x64 colour: three convolutions and one hidden layer.

    make run PRESET=emotion6-cnn DATA=path/to/class/folders

The published model: angry, disgust, fear, happy, sad and surprise, 80 % for training and 20 % for
scoring; conv 32, 32, 128 with max pooling, dense 128, softmax 6; parameters 896, 9,248, 36,992,
589,952 and 774; adam, batch 32, 25 epochs. Published: 73 % validation accuracy. The published 20 %
are the test split here; 10 % of the training groups are held out for the best checkpoint.

`emotion export VERSION --format h5` writes model.h5, `--format joblib` emotion_classification.pkl,
on request alone.

Not run.
"""

from components.shared.preset import (
    Augmentation,
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    ResamplingPolicy,
    Stage,
    TrainingPolicy,
)

EMOTION6_CNN = Preset(
    name="emotion6-cnn",
    model_name="emotion6",
    summary="Six emotions, 64x64 colour; three convolutions and one hidden layer",
    data=DataPolicy(taxonomy="emotion-6", image=ImageSpec(64, 64, 3), test_share=0.2),
    resampling=ResamplingPolicy(strategy="none"),
    training=TrainingPolicy(
        architecture="emotion6-cnn",
        stages=(Stage(epochs=25, optimizer="adam", learning_rate=1e-3, patience=25),),
        batch_size=32,
        augmentation=Augmentation(flip=False),
        dropout=0.0,
    ),
    gate=GatePolicy(min_accuracy=0.5, min_macro_f1=0.4, first_model="promote"),
)
