"""The Kubernetes manifests: the schemas' and the restricted profile's word on them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from antigravity_proxy import __version__
from antigravity_proxy.settings.table import TABLE

KUBERNETES = Path(__file__).parents[2] / "deploy/kubernetes"
BASE, EXAMPLE = KUBERNETES / "base", KUBERNETES / "overlays/example"
STATE = KUBERNETES / "components/state"
#: patches are parts of objects, and a monitor's schema comes with its operator
WHOLE = sorted(
    path
    for path in KUBERNETES.rglob("*.yaml")
    if (path.name != "kustomization.yaml" and path.parent != EXAMPLE) or path.name in ("namespace.yaml", "volume.yaml")
    if path.name != "servicemonitor.yaml" and path != STATE / "deployment.yaml"
)
VERSIONS = ["1.31", kubernetes_validate.latest_version()]

Manifest = dict[str, Any]


def load(path: Path) -> list[Manifest]:
    """A file's objects."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def build(directory: Path) -> list[Manifest]:
    """What kustomize makes of a directory."""
    tools = {"kustomize": ["kustomize", "build"], "kubectl": ["kubectl", "kustomize"]}
    found = next((argv for name, argv in tools.items() if shutil.which(name)), None)
    if found is None:
        pytest.skip("neither kustomize nor kubectl here")
    done = subprocess.run([*found, str(directory)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", [*WHOLE, EXAMPLE / "secret.example.yaml"], ids=lambda path: path.name)
def test_each_manifest_is_valid_by_itself(path: Path, version: str) -> None:
    for manifest in load(path):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_builds_to_valid_objects_in_its_namespace(version: str) -> None:
    built = build(EXAMPLE)
    for manifest in built:
        kubernetes_validate.validate(manifest, version, strict=True)
    namespaces = {each["metadata"].get("namespace") for each in built if each["kind"] != "Namespace"}
    assert namespaces == {"antigravity"}
    named = {(each["kind"], each["metadata"]["name"]): each for each in built}
    deployment = named["Deployment", "antigravity-proxy"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example/antigravity-proxy:{__version__}"
    variables = {each["name"] for each in container["env"]}
    assert {"READONLY_MODE", "PROXY_API_KEY_FILE", "GOOGLE_CLIENT_SECRET_FILE"} <= variables
    policy = named["NetworkPolicy", "antigravity-proxy"]
    redis = named["Deployment", "redis"]["spec"]["template"]
    assert policy["spec"]["egress"][-1]["to"][0]["podSelector"]["matchLabels"] == redis["metadata"]["labels"]
    [entry] = named["NetworkPolicy", "redis"]["spec"]["ingress"]
    assert entry["from"][0]["podSelector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
    config = next(each["configMap"] for each in redis["spec"]["volumes"] if "configMap" in each)
    assert ("ConfigMap", config["name"]) in named


@pytest.mark.parametrize(
    "directory", [BASE, EXAMPLE, *sorted((KUBERNETES / "components").iterdir())], ids=lambda each: each.name
)
def test_each_kustomization_names_what_is_there_and_uses_what_is_known(directory: Path) -> None:
    """A patch names an object of the base; a field unknown to this test is none that kustomize was tried with."""
    [kustomization] = load(directory / "kustomization.yaml")
    known = {"apiVersion", "kind", "resources", "labels", "namespace", "images", "patches", "components"}
    known.add("configMapGenerator")
    assert set(kustomization) <= known
    for name in kustomization.get("resources", []):
        assert (directory / name).exists(), name
    base = {
        (each["kind"], each["metadata"]["name"])
        for path in BASE.glob("*.yaml")
        for each in load(path)
        if "metadata" in each
    }
    for patch in kustomization.get("patches", []):
        [part] = load(directory / patch["path"])
        assert (part["kind"], part["metadata"]["name"]) in base


def test_the_state_has_a_claim_of_its_own_and_one_pod() -> None:
    [claim], [patch] = load(STATE / "claim.yaml"), load(STATE / "deployment.yaml")
    assert patch["spec"]["replicas"] == 1
    assert patch["spec"]["strategy"]["type"] == "Recreate"
    spec = patch["spec"]["template"]["spec"]
    [volume], [container] = spec["volumes"], spec["containers"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    [setting], [mount] = container["env"], container["volumeMounts"]
    assert setting["name"] == "PROXY_STATE_DIR"
    assert setting["value"].startswith(mount["mountPath"] + "/")
    assert mount["mountPath"] not in [each["mountPath"] for each in pod()["containers"][0]["volumeMounts"]]


def pod(directory: Path = BASE) -> Manifest:
    """The pod of a directory's deployment, the base's if none is named."""
    [deployment] = load(directory / "deployment.yaml")
    found: Manifest = deployment["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("directory", [BASE, KUBERNETES / "components/redis"], ids=lambda each: each.name)
def test_the_pod_keeps_to_the_restricted_profile(directory: Path) -> None:
    spec = pod(directory)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    for volume in spec["volumes"]:
        assert set(volume) - {"name"} <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert all("hostPort" not in port for port in container["ports"])
    [namespace] = load(EXAMPLE / "namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_selectors_find_the_pods() -> None:
    [deployment] = load(BASE / "deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    [service] = load(BASE / "service.yaml")
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    for name in ("disruption.yaml", "network.yaml"):
        [each] = load(BASE / name)
        found = each["spec"].get("podSelector") or each["spec"]["selector"]
        assert found["matchLabels"] == labels
    [monitor] = load(KUBERNETES / "components/monitoring/servicemonitor.yaml")
    assert monitor["spec"]["selector"]["matchLabels"] == labels


def test_a_pod_has_time_to_finish_its_streams() -> None:
    drain = float(next(setting.default or "" for setting in TABLE if setting.name == "PROXY_DRAIN_SECONDS"))
    [container] = pod()["containers"]
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] > drain + pause


def test_every_setting_and_every_secret_exists() -> None:
    names = {setting.name for setting in TABLE} | {f"{setting.name}_FILE" for setting in TABLE if setting.secret}
    [secret] = load(EXAMPLE / "secret.example.yaml")
    for path in (BASE / "deployment.yaml", EXAMPLE / "deployment.yaml"):
        [deployment] = load(path)
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        for variable in container["env"]:
            assert variable["name"] in names
            if variable["name"].endswith("_FILE"):
                assert variable["value"].rpartition("/")[2] in secret["stringData"]
