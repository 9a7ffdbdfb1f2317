"""Five emotions, 224x224 colour, class folders: transfer learning from EfficientNetV2B0.

    make run PRESET=emotion5-efficientnetv2b0 DATA=path/to/class/folders

The published model: happy, angry, neutral, sad and surprise in class folders, 20 % of the images
for scoring, batch 64, learning rate 1e-3, 50 epochs, dropout 0.25, L2 0.01, dense 128 and 32;
flips, rotation and scaling; the backbone fine-tuned. Published: 92.21 % validation accuracy. Its
configuration also lists 6 filters, kernel 5, stride 1 and pool 2 of an earlier network that the
published model doesn't use; they are left out. The sizes of rotation and scaling are ours, and so
is that batch norm stays in inference mode.

The weights are ImageNet's, by Keras's own download; without a network set training.pretrained to a
file. The published 20 % are the test split here; 10 % of the training groups are held out for the
best checkpoint.

Not run.
"""

from components.shared.preset import (
    Augmentation,
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    PretrainedWeights,
    ResamplingPolicy,
    Stage,
    TrainingPolicy,
)

EMOTION5_EFFICIENTNETV2B0 = Preset(
    name="emotion5-efficientnetv2b0",
    model_name="emotion5",
    summary="Five emotions, 224x224 colour; EfficientNetV2B0 pretrained on ImageNet, fine-tuned",
    data=DataPolicy(taxonomy="emotion-5", image=ImageSpec(224, 224, 3), test_share=0.2),
    resampling=ResamplingPolicy(strategy="none"),
    training=TrainingPolicy(
        architecture="efficientnetv2b0",
        stages=(Stage(epochs=50, optimizer="adam", learning_rate=1e-3, patience=50),),
        batch_size=64,
        augmentation=Augmentation(flip=True, rotation_degrees=15, zoom=0.1),
        dropout=0.25,
        l2=0.01,
        pretrained=PretrainedWeights("imagenet"),
        device="gpu",
    ),
    gate=GatePolicy(min_accuracy=0.6, min_macro_f1=0.55, first_model="promote"),
)
