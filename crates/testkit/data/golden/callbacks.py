"""What Keras' callbacks make of made-up losses.

`callbacks`: `values` is [sequences, epochs], losses that fall and stay. `stopping` has a row of
settings (min_delta, patience, start_from_epoch, baseline) a case, and `stopped` [cases, sequences]
the epoch, from 1, at which EarlyStopping ends the training, 0 for never, `best` the best one.
`plateau` has (factor, patience, min_delta, cooldown, min_lr) a case, and `rates` [cases, sequences,
epochs] the learning rate after every epoch of ReduceLROnPlateau, from 0.01.
"""

import keras
import numpy as np

STOPPING = [
    (0.0, 0, 0, np.inf),
    (0.0, 1, 0, np.inf),
    (0.0, 3, 0, np.inf),
    (0.05, 2, 0, np.inf),
    (0.0, 2, 4, np.inf),
    (0.0, 3, 0, 0.6),
]
PLATEAU = [
    (0.5, 3, 1e-4, 0, 0.0),
    (0.1, 1, 0.05, 0, 2e-4),
    (0.5, 2, 0.0, 2, 0.0),
    (0.3, 2, 0.02, 3, 1e-3),
]


def model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    return model


def stopped(values, min_delta, patience, start, baseline):
    """The epoch at which EarlyStopping ends the training, and the best one."""
    callback = keras.callbacks.EarlyStopping(
        monitor="loss",
        min_delta=min_delta,
        patience=int(patience),
        start_from_epoch=int(start),
        baseline=None if baseline == np.inf else baseline,
    )
    trained = model()
    callback.set_model(trained)
    callback.on_train_begin()
    trained.stop_training = False
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": value})
        if trained.stop_training:
            return epoch + 1, callback.best_epoch + 1
    return 0, callback.best_epoch + 1


def rates(values, factor, patience, min_delta, cooldown, min_lr):
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="loss",
        factor=factor,
        patience=int(patience),
        min_delta=min_delta,
        cooldown=int(cooldown),
        min_lr=min_lr,
    )
    trained = model()
    callback.set_model(trained)
    callback.on_train_begin()
    out = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": value})
        out.append(float(trained.optimizer.learning_rate.numpy()))
    return out


def cases():
    rng = np.random.default_rng(20261128)
    epochs = np.arange(24)
    values = [0.4 + np.exp(-epochs / s) + 0.1 * rng.normal(size=24) for s in (2, 4, 8, 16, 32)]
    # Multiples of 1/64: ties, and sums with min_delta that are far from a tie.
    values = np.round(np.array(values) * 64) / 64
    ends = [[stopped(row, *settings) for row in values] for settings in STOPPING]
    out = {
        "values": values,
        "stopping": np.array(STOPPING),
        "stopped": np.array(ends)[..., 0],
        "best": np.array(ends)[..., 1],
        "plateau": np.array(PLATEAU),
        "rates": np.array([[rates(row, *settings) for row in values] for settings in PLATEAU]),
    }
    return {"callbacks": {k: np.ascontiguousarray(v, np.float64) for k, v in out.items()}}
