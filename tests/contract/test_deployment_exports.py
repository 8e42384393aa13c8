"""Deployments as files for clusters, through the native door: closed schemas, admission, and no secret in them."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import yaml

from modelyard.engines import exports
from modelyard.engines.manifests import object_name
from modelyard.wire.scorer import Wanted, WantedRevision
from tests.contract import test_deployments
from tests.contract.test_deployments import Port
from tests.support.kubernetes_schemas import check_object

port = test_deployments.port
IMAGE = f"sha256:{'1' * 64}"
FORMS = {
    "kubernetes": ["ConfigMap", "Deployment", "Service"],
    "kserve": ["ConfigMap", "InferenceService"],
    "knative": ["ConfigMap", "Service"],
}


def export(port: Port, form: str, expect: int = 200, **options: Any) -> Any:
    answer = port.door.call("GET", f"deployments/{port.model}/export", params={"form": form}, **options)
    assert answer.status_code == expect, answer.text
    return answer.json()


def with_image(port: Port, version: int = 1, at: str = "registry.example.com:5000/team/scorer:1") -> None:
    body = {"digest": IMAGE, "reference": at}
    assert port.door.call("PUT", f"models/{port.model}/versions/{version}/image", json=body).status_code == 200


@pytest.mark.parametrize("form", FORMS)
def test_each_form_fits_the_closed_schemas(port: Port, form: str) -> None:
    port.push()
    port.deploy(replicas=3)
    with_image(port)
    made = export(port, form)
    (file,) = made["files"]
    objects = [*yaml.safe_load_all(file["text"])]
    assert [each["kind"] for each in objects] == FORMS[form]
    for each in objects:
        check_object(each)
    pods = re.findall(r"image: (\S+)", file["text"])
    assert pods == [f"registry.example.com:5000/team/scorer@{IMAGE}"]
    order = msgspec.json.decode(objects[0]["data"]["wanted.json"], type=Wanted)
    assert [(each.role, each.reference) for each in order.revisions] == [("serving", f"{port.model}:1")]
    assert (order.host, order.port, order.replicas) == ("0.0.0.0", 8080, 1)
    # The Secret is named, and its value is nowhere.
    assert made["secret"] in file["text"]
    assert "kind: Secret" not in file["text"]
    assert any(made["secret"] in note for note in made["notes"])
    # The same again, until something else is to serve: then the order has another name, so that old pods keep theirs.
    assert export(port, form) == made
    port.push()
    with_image(port, 2)
    again = export(port, form)["files"][0]["text"]
    assert re.findall(r"name: \S+-order-\w+", again) != re.findall(r"name: \S+-order-\w+", file["text"])


def test_compose_names_the_same_image_and_order(port: Port) -> None:
    port.push()
    port.deploy()
    with_image(port)
    (file,) = export(port, "compose")["files"]
    made = yaml.safe_load(file["text"])
    service = made["services"]["scorer"]
    assert service["image"] == f"registry.example.com:5000/team/scorer@{IMAGE}"
    assert service["read_only"] is True
    assert yaml.safe_load(made["configs"]["order"]["content"])["deployment"] == port.model
    assert set(service["secrets"]) == set(made["secrets"])


def test_without_an_image_the_command_that_makes_one_is_named(port: Port) -> None:
    port.push()
    port.deploy()
    problem = export(port, "kubernetes", 409)
    assert f"modelyard image build {port.model}:1 --tag REGISTRY/scorer:1 --push" in problem["fix"]
    # An image that is only on somebody's machine cannot be pulled.
    with_image(port, at="")
    export(port, "kubernetes", 409)
    with_image(port)
    assert "knative" in export(port, "helm", 400)["fix"]


def test_what_may_not_be_served_is_not_exported(port: Port) -> None:
    port.push()
    port.deploy()
    with_image(port)
    port.recall(1)
    for form in (*FORMS, "compose"):
        assert export(port, form, 409)["code"] == "version_recalled"


def wanted(*roles: tuple[int, str, int]) -> Wanted:
    revisions = [
        WantedRevision(
            number=number, reference=f"fraud/scorer:{number}", digest=IMAGE, role=role, weight=weight
        )
        for number, role, weight in roles
    ]
    return Wanted(generation=1, deployment="fraud/scorer", registry=None, cache="", revisions=revisions)


def test_a_canary_is_a_share_of_the_requests_where_the_form_can_split_them() -> None:
    split = wanted((2, "serving", 100), (3, "canary", 20))
    images = {2: f"r.example/a@{IMAGE}", 3: f"r.example/b@{IMAGE}"}
    for form, file in (("kserve", "inferenceservice.yaml"), ("knative", "service.yaml")):
        objects = exports.export(form, split, images)[file]
        for each in objects:
            check_object(each)
        spec = objects[-1]["spec"]
        if form == "kserve":
            assert spec["predictor"]["canaryTrafficPercent"] == 20
            assert spec["predictor"]["containers"][0]["image"] == images[3]
        else:
            assert spec["traffic"] == [
                {"revisionName": "fraud-scorer-r2", "percent": 80},
                {"revisionName": "fraud-scorer-r3", "percent": 20},
            ]
            assert spec["template"]["metadata"]["name"] == "fraud-scorer-r3"
    for form in ("kubernetes", "compose"):
        with pytest.raises(Exception, match="cannot split requests"):
            exports.export(form, split, images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made["spec"]["predictor"].update(canaryTrafficPercent=140), "0 < 140"),
        (lambda made: made["spec"]["predictor"].update(storageURI="s3://x"), "storageURI"),
        (lambda made: made["spec"]["predictor"].update(minReplicas="ten"), "ten"),
        (lambda made: made["spec"]["predictor"]["containers"][0].update(image="scorer:1"), "@sha256:"),
    ],
)
def test_the_check_finds_what_is_wrong(change: Any, words: str) -> None:
    made = exports.export("kserve", wanted((1, "serving", 100)), {1: f"r.example/a@{IMAGE}"})[
        "inferenceservice.yaml"
    ][1]
    check_object(made)
    change(made)
    with pytest.raises(AssertionError, match=words):
        check_object(made)


def test_names_of_objects() -> None:
    assert object_name("fraud/cards") == "fraud-cards"
    # Two deployments never have the same.
    names = {
        object_name(name) for name in ("fraud/cards.eu", "fraud/cards_eu", "fraud/cards-eu", "f/" + "x" * 90)
    }
    assert len(names) == 4
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", name) for name in names)
