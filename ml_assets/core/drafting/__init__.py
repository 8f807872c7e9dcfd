"""The three files of a problem's folder, as text."""

from dataclasses import dataclass

from ml_assets.core.drafting.contract_text import contract_text
from ml_assets.core.drafting.defs_text import defs_text
from ml_assets.core.drafting.features_text import features_text
from ml_assets.core.inference import Inference

__all__ = ["Draft", "draft"]


@dataclass(frozen=True)
class Draft:
    """What is written into a problem's folder.

    Attributes:
        defs: Text of defs.yaml.
        contract: Text of contract.py.
        features: Text of features.sql.
    """

    defs: str
    contract: str
    features: str

    @property
    def files(self) -> dict[str, str]:
        """Text by file name."""
        return {
            "defs.yaml": self.defs,
            "contract.py": self.contract,
            "features.sql": self.features,
        }


def draft(inference: Inference, *, name: str, path: str) -> Draft:
    """Write the three files of a problem.

    Args:
        inference: What a file has shown.
        name: Name of the problem.
        path: Where its rows lie, as the declaration names it.
    """
    file = path.replace("\\", "/").rpartition("/")[2]
    return Draft(
        defs_text(inference, name=name, path=path),
        contract_text(inference, name=name, file=file),
        features_text(inference, name=name),
    )
