"""The files under deploy/: valid by their schemas, and without a right that nobody needs."""

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from bentos.predictor.settings import KEYS
from ml_assets.storage.workspace import Workspace

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(p.name for p in KUBERNETES.glob("*.yaml") if p.name != "kustomization.yaml")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES = sorted(COMPOSE["services"])
# What holds a secret when it has a value in clear.
SECRET_NAME = re.compile(r"(PASSWORD|SECRET|KEY|TOKEN)", re.IGNORECASE)
# Names a file of hashes in the workspace, where `ml-assets keys` puts it.
KEYS_FILE = str(Workspace(Path("/srv/ml_assets")).keys.path)
SECRET_FILES = ("/run/secrets/", KEYS_FILE)


def objects(name: str) -> list[dict]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text("utf-8")))


def workloads() -> Iterator[dict]:
    for name in MANIFESTS:
        for found in objects(name):
            if found["kind"] in {"Deployment", "StatefulSet"}:
                yield found


WORKLOADS = {found["metadata"]["name"]: found for found in workloads()}


def is_fixed(image: str) -> bool:
    """Whether an image names a version: not `latest`, and not nothing."""
    version = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else "latest"
    return version != "latest"


def test_the_compose_file_follows_the_specification():
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text("utf-8")))


@pytest.mark.parametrize("name", SERVICES)
def test_a_compose_service_has_the_least_rights(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert is_fixed(service["image"])
    assert "mem_limit" in service
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "bucket"])
def test_a_compose_service_tells_its_health(name):
    assert COMPOSE["services"][name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_compose_holds_no_secret_in_clear(name):
    environment = COMPOSE["services"][name].get("environment", {})
    for variable, value in environment.items():
        if SECRET_NAME.search(variable):
            assert str(value).startswith(SECRET_FILES), variable
        assert "://" not in str(value) or "@" not in str(value), variable


def test_the_server_reads_the_keys_that_the_code_makes_and_cannot_change_them():
    server, code = COMPOSE["services"]["server"], COMPOSE["services"]["code"]
    assert server["environment"][KEYS] == KEYS_FILE
    assert server["user"] == code["user"]  # the file is for its owner only
    assert mounted(server, "workspace")["read_only"] is True
    assert not mounted(code, "workspace").get("read_only", False)
    pods = [WORKLOADS[name]["spec"]["template"]["spec"] for name in ("server", "code")]
    (serving,), (making,) = (pod["containers"] for pod in pods)
    assert {"name": KEYS, "value": KEYS_FILE} in serving["env"]
    assert len({pod["securityContext"]["runAsUser"] for pod in pods}) == 1
    places = [
        {mount["name"]: mount for mount in container["volumeMounts"]}["workspace"]
        for container in (serving, making)
    ]
    assert [place["mountPath"] for place in places] == ["/srv/ml_assets"] * 2
    assert [place.get("readOnly", False) for place in places] == [True, False]


def mounted(service: dict, source: str) -> dict:
    (found,) = [volume for volume in service["volumes"] if volume["source"] == source]
    assert found["target"] == "/srv/ml_assets"
    return found


def test_only_the_code_reaches_the_object_store():
    holders = {
        name
        for name, service in COMPOSE["services"].items()
        if {"s3_access_key", "s3_secret_key"} & set(service.get("secrets", ()))
    }
    assert holders == {"code"}
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert COMPOSE["services"]["server"]["networks"] == ["front"]


def test_secrets_are_made_once_and_kept(tmp_path):
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    made = []
    for _ in range(2):
        subprocess.run(["sh", str(script)], check=True, capture_output=True, timeout=60)
        folder = tmp_path / "secrets"
        made.append({path.name: path.read_text() for path in sorted(folder.iterdir())})
    assert made[0] == made[1]
    wanted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert set(made[0]) == wanted
    assert all(len(value) >= 48 for value in made[0].values())
    identity = json.loads(made[0]["s3_config"])["identities"][0]["credentials"][0]
    assert identity["secretKey"] == made[0]["s3_secret_key"]
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def test_the_entry_point_reads_secrets_from_files(tmp_path):
    (tmp_path / "password").write_text("a b$c\n")
    entry = DEPLOY / "entrypoint.sh"
    done = subprocess.run(
        ["sh", str(entry), "printenv", "PGPASSWORD"],
        env={"PATH": "/usr/bin:/bin", "POSTGRES_PASSWORD_FILE": str(tmp_path / "password")},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "a b$c\n"


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_follows_the_schemas_of_kubernetes(name):
    for found in objects(name):
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def test_kustomize_lists_every_manifest():
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))
    assert sorted(kustomization["resources"]) == MANIFESTS
    replaced = {image["name"] for image in kustomization["images"]}
    for workload in WORKLOADS.values():
        for container in workload["spec"]["template"]["spec"]["containers"]:
            assert container["image"] in replaced or is_fixed(container["image"])
    assert all(image["newTag"] != "latest" for image in kustomization["images"])
    generated = kustomization["configMapGenerator"][0]["files"]
    assert all((KUBERNETES / name).is_file() for name in generated)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_pod_is_restricted(name):
    """The `restricted` profile of the pod security standards, and a read-only root."""
    spec = WORKLOADS[name]["spec"]["template"]["spec"]
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all("hostPath" not in volume for volume in spec["volumes"])
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert "livenessProbe" in container
        for variable in container["env"]:
            if SECRET_NAME.search(variable["name"]):
                assert variable["value"].startswith(SECRET_FILES), variable["name"]


def test_the_server_is_probed_where_it_answers():
    (container,) = WORKLOADS["server"]["spec"]["template"]["spec"]["containers"]
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")
    }
    assert paths == {"liveness": "/livez", "readiness": "/readyz"}


def test_nothing_is_reached_unless_a_policy_says_so():
    policies = {found["metadata"]["name"]: found["spec"] for found in objects("network.yaml")}
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in WORKLOADS.values()]
    for spec in policies.values():
        wanted = spec["podSelector"].get("matchLabels", {}).items()
        assert any(wanted <= found.items() for found in labels), wanted


def test_no_manifest_holds_a_secret():
    kinds = {found["kind"] for name in MANIFESTS for found in objects(name)}
    assert "Secret" not in kinds
