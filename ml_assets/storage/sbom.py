"""The software bill of materials of a Bento, in CycloneDX: its packages and its model."""

import json
from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from ml_assets.storage.server_lock import Pinned

SBOM_FILE = "sbom.cdx.json"


def bill_of_materials(
    problem: str, version: str, *, digest: str, packages: Sequence[Pinned]
) -> bytes:
    """Return the bill of a Bento as CycloneDX 1.6 JSON; the same content has the same bytes.

    The hashes of the packages' files are in the lock, which is packed beside the bill.

    Args:
        problem: Name of the problem.
        version: Name of the version.
        digest: Name of the release's files: the SHA-256 of its manifest.
        packages: What the image installs.
    """
    model = Component(
        name=problem,
        version=version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"release:{digest}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    libraries = [
        Component(
            name=one.name,
            version=one.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"package:{one.name}",
            purl=PackageURL("pypi", name=one.name, version=one.version),
        )
        for one in packages
    ]
    bento = Component(
        name=problem, version=version, type=ComponentType.APPLICATION, bom_ref=f"bento:{problem}"
    )
    named = "/".join([digest, *(f"{one.name}=={one.version}" for one in packages)])
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, named),
        components=[model, *libraries],
        metadata=BomMetaData(component=bento),
    )
    bom.register_dependency(bento, [model, *libraries])
    content = json.loads(JsonV1Dot6(bom).output_as_string())
    # The tag of a Bento is a fingerprint of its content: a moment would make each build another.
    del content["metadata"]["timestamp"]
    return json.dumps(content, indent=2, sort_keys=True).encode()
