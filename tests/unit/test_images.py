"""References to images: taken apart and put together again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.images import ImageReference, parse_image

DIGEST = "sha256:" + "0123456789abcdef" * 4

parts = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
hosts = st.from_regex(r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]{1,8}){0,3}", fullmatch=True)
addresses = st.sampled_from(["[::1]", "[2001:db8::1]"])
registries = st.builds(lambda host, port: f"{host}:{port}", hosts | addresses, st.integers(1, 65535))
names = st.builds(
    lambda registry, path: "/".join([*([registry] if registry else []), *path]),
    st.none() | registries | hosts,
    st.lists(parts, min_size=1, max_size=3),
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
references = st.builds(ImageReference, names, st.none() | tags, st.none() | st.just(DIGEST))


@given(references)
def test_what_is_put_together_is_taken_apart_into_the_same(reference: ImageReference) -> None:
    assert parse_image(str(reference)) == reference


@given(st.text(max_size=60))
def test_any_text_is_refused_or_kept_as_it_is(text: str) -> None:
    try:
        reference = parse_image(text)
    except ValueError:
        return
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", ImageReference("busybox")),
        ("ubuntu:24.04", ImageReference("ubuntu", "24.04")),
        ("team/tool", ImageReference("team/tool")),
        ("registry:5000/tool", ImageReference("registry:5000/tool")),
        (
            "registry.example.com:5000/team/tool:v1.2-rc_3",
            ImageReference("registry.example.com:5000/team/tool", "v1.2-rc_3"),
        ),
        (f"busybox@{DIGEST}", ImageReference("busybox", None, DIGEST)),
        (f"localhost:5000/a/b:t@{DIGEST}", ImageReference("localhost:5000/a/b", "t", DIGEST)),
        ("[::1]:5000/tool:1", ImageReference("[::1]:5000/tool", "1")),
        ("a__b", ImageReference("a__b")),
    ],
)
def test_a_reference_is_taken_apart(text: str, expected: ImageReference) -> None:
    assert parse_image(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " busybox",
        "busybox ",
        "busybox\n",
        "Busybox",
        "busybox:",
        "busybox@",
        "busybox:a b",
        "busybox:-x",
        f"busybox:{'t' * 129}",
        "busybox@sha256:abc",
        "/busybox",
        "busybox/",
        "a//b",
        "a___b",
        "-busybox",
        "https://registry/busybox",
        "busybox;rm",
        "../busybox",
        "a" * 256,
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_image(text)


@pytest.mark.parametrize("text", ["a-" * 512, "a." * 511 + "!", "a:5000/" * 146, "a-b_" * 256, "1" * 1024])
@pytest.mark.timed
def test_a_hostile_text_is_judged_at_once(text: str) -> None:
    since = time.perf_counter()
    with pytest.raises(ValueError, match="must"):
        parse_image(text)
    assert time.perf_counter() - since < 0.5


@pytest.mark.parametrize(
    ("text", "pulled"), [("a", "latest"), ("a:1", "1"), (f"a@{DIGEST}", DIGEST), (f"a:1@{DIGEST}", DIGEST)]
)
def test_the_digest_goes_before_the_tag_goes_before_latest(text: str, pulled: str) -> None:
    assert parse_image(text).tag_or_digest == pulled


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("ubuntu", "docker.io"),
        ("team/tool:1", "docker.io"),
        ("123/tool", "docker.io"),
        ("docker.io/team/tool", "docker.io"),
        ("localhost/tool", "localhost"),
        ("registry:5000/tool", "registry:5000"),
        ("Registry/tool", "registry"),
        ("registry.example/team/tool:1", "registry.example"),
        ("[::1]:5000/tool", "[::1]:5000"),
    ],
)
def test_the_registry_is_the_host_of_the_name_or_docker_hub(image: str, registry: str) -> None:
    assert parse_image(image).registry == registry
