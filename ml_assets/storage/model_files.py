"""Fitted models as files that hold no code."""

from typing import Any

import skops.io

from ml_assets.core.trusted_types import construct, refuse_untrusted


def save(estimator: Any) -> bytes:  # noqa: ANN401
    """Return a fitted estimator as the bytes of a skops file.

    Raises:
        ArtefactError: If the estimator holds a type that ``load`` would refuse: it is found when
            the model is stored, not when it should serve.
    """
    model = skops.io.dumps(estimator)
    refuse_untrusted(model)
    return model


def load(model: bytes) -> Any:  # noqa: ANN401
    """Return the estimator that ``save`` stored, with no type that is not trusted.

    Raises:
        ArtefactError: If it names another type.
    """
    return construct(model)
