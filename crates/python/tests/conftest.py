"""Which tests are collected.

Those of Keras run in processes of their own, one for each backend, which `test_keras_backends`
starts: TensorFlow and Triton, which `torch.compile` loads, abort in one process. With KERAS_BACKEND
set they are collected as others are.
"""

import os

collect_ignore_glob = [] if "KERAS_BACKEND" in os.environ else ["test_keras_[!b]*.py"]
