"""What changed, in one value: for alerts, for the policy and for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from ml_assets.core.bootstrap import Estimate
from ml_assets.core.change.attribution import Share
from ml_assets.core.change.decomposition import Decomposition
from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.parameters import ParameterShift

ChangeKind = Literal["covariate", "label", "concept", "data_fault", "cannot_tell"]


@dataclass(frozen=True)
class ChangeReport:
    """One change, named.

    Attributes:
        kind: Other rows, other shares of the classes, another relation, wrong data, or not known.
        since: First moment of it, as far as it can be told.
        until: What was known at this moment was used.
        sentence: All of it, for people.
        columns: Features that drifted.
        decomposition: Where the change of the loss comes from; None with too few labels.
        shares: What features, slices and faults explain of it.
        faults: What is wrong with the data.
        parameters: Constants of the grey box, the likeliest to have moved first.
        reference_rows: Rows that were compared with.
        recent_rows: Rows since the change.
        labelled: Those of them whose truth is known.
    """

    kind: ChangeKind
    since: datetime
    until: datetime
    sentence: str
    columns: tuple[str, ...] = ()
    decomposition: Decomposition | None = None
    shares: tuple[Share, ...] = ()
    faults: tuple[Fault, ...] = ()
    parameters: tuple[ParameterShift, ...] = ()
    reference_rows: int = 0
    recent_rows: int = 0
    labelled: int = 0

    @property
    def is_data_fault(self) -> bool:
        """Whether the data are to be repaired, so that no model may learn from them."""
        return self.kind == "data_fault"

    @property
    def parameter(self) -> ParameterShift | None:
        """The constant that moved; None if none is known to have."""
        return next((one for one in self.parameters if one.moved), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            **vars(self),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "columns": list(self.columns),
            "decomposition": _plain(self.decomposition),
            "shares": [vars(one) for one in self.shares],
            "faults": [
                {
                    "kind": one.kind,
                    "columns": list(one.columns),
                    "since": one.since.isoformat(),
                    "says": one.says,
                }
                for one in self.faults
            ],
            "parameters": [vars(one) for one in self.parameters],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the report that ``to_json`` described."""
        plain = dict(values)
        for name in ("since", "until"):
            plain[name] = datetime.fromisoformat(plain[name])
        plain["columns"] = tuple(plain["columns"])
        plain["decomposition"] = _decomposition(plain["decomposition"])
        plain["shares"] = tuple(Share(**one) for one in plain["shares"])
        plain["faults"] = tuple(
            Fault(
                one["kind"],
                tuple(one["columns"]),
                datetime.fromisoformat(one["since"]),
                one["says"],
            )
            for one in plain["faults"]
        )
        plain["parameters"] = tuple(ParameterShift(**one) for one in plain["parameters"])
        return cls(**plain)


def _plain(found: Decomposition | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        name: vars(value) if isinstance(value, Estimate) else value
        for name, value in vars(found).items()
    }


def _decomposition(values: Mapping[str, Any] | None) -> Decomposition | None:
    if values is None:
        return None
    plain: dict[str, Any] = {
        name: Estimate(**value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }
    return Decomposition(**plain)
