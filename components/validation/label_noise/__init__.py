"""Which labels look wrong: features of pictures, predictions of models that never saw a row, and confident learning."""
