"""kubectl's JSONPath: what each form finds, and that what is none is refused where it stops being one."""

import pytest

from isthmus.cli.live import jsonpath
from isthmus.errors import BadValue

EVENT = {
    "cluster": "east",
    "proxy": "",
    "a.b": 7,
    "source": {"ip": "10.0.0.1", "port": 80},
    "head": {
        "path": "/x",
        "grpc": None,
        "tls": True,
        "headers": [{"name": "host", "value": "web"}, {"name": "n", "value": 1}, {"name": "m", "value": 2.5}],
    },
    "hops": [{"role": "client", "took": 3}, {"role": "gateway", "took": 2}, {"role": "server", "took": 1}],
}


@pytest.mark.parametrize(
    "template, text",
    [
        ("{.cluster}", "east"),
        (".cluster", "east"),
        ("{$.cluster}", "east"),
        ("{ .cluster }", "east"),
        ("to {.source.ip}:{.source.port}!", "to 10.0.0.1:80!"),
        ("{.source}", '{"ip":"10.0.0.1","port":80}'),
        ("{.source.*}", "10.0.0.1 80"),
        ("{['cluster']}", "east"),
        (r"{.a\.b}", "7"),
        ("{['a.b']}", "7"),
        ("{.source['ip','port']}", "10.0.0.1 80"),
        ("{.head.tls}", "true"),
        ("{.hops[0].role}", "client"),
        ("{.hops[-1].role}", "server"),
        ("{.hops[1:].role}", "gateway server"),
        ("{.hops[0:3:2].role}", "client server"),
        ("{.hops[0,2].role}", "client server"),
        ("{.hops[*].took}", "3 2 1"),
        ("{..role}", "client gateway server"),
        ("{..[0].name}", "host"),
        ('{.head.headers[?(@.name=="host")].value}', "web"),
        ("{.head.headers[?(@.name!='host')].value}", "1 2.5"),
        ("{.hops[?(@.took >= 2)].role}", "client gateway"),
        ("{.hops[?(@.took<2)].role}", "server"),
        ("{.head.headers[?(@.value>1)].name}", "m"),
        ("{.hops[?(@.role)].took}", "3 2 1"),
        ("{.head.path}{'\\t'}{\"a\\\"b\"}{'}'}", '/x\ta"b}'),
        ('{range .hops[*]}{.role}={.took}{"\\n"}{end}{.cluster}', "client=3\ngateway=2\nserver=1\neast"),
        ("{range .hops[0:2]}{range @.role}{@}{end};{end}", "client;gateway;"),
        ("{.cluster} {.head.grpc}{.nowhere.at[3].all}", "east "),
    ],
)
def test_what_a_template_says(template, text):
    assert jsonpath.read(template).text(EVENT) == text


@pytest.mark.parametrize(
    "template",
    [
        "{.nowhere}",
        "x {.head.grpc}",
        "{.hops[9].role}",
        "{.cluster[0]}",
        "{.hops.role}",
        "{range .nowhere[*]}{.a}{end}",
        "{.head.headers[?(@.value==true)].name}",
        "{.hops[?(@.role>1)].role}",
    ],
)
def test_a_document_in_which_nothing_is_found_says_nothing(template):
    assert jsonpath.read(template).text(EVENT) is None


def test_looking_everywhere_has_a_depth():
    deep: dict = {"x": 1}
    for _ in range(10_000):
        deep = {"a": deep}
    assert jsonpath.read("{..x}").text(deep) is None


@pytest.mark.parametrize(
    "template, why",
    [
        ("", "at its beginning: a path is wanted"),
        ("cluster", "at its beginning: a path is wanted"),
        ("{}", "after '{': a path is wanted"),
        ("{.a", "after '{.a': } is wanted"),
        ("{.a b}", "after '{.a ': } is wanted"),
        ("{.a..}", "a name is wanted after the dots"),
        ("{.a[}", "in brackets"),
        ("{.a[0}", "] is wanted"),
        ("{.a['b]}", "a quote is not closed"),
        ("{.a[::0]}", "a slice goes on"),
        ("{.a[?(@.b==)]}", "a path or a value is wanted"),
        ("{.a[?(@.b==1]}", ") is wanted"),
        ("{range .a[*]}{.b}", "no {end}"),
        ("{.a}{end}", "no {range}"),
        ('{"just text"}', "it holds no path"),
        ("{true}", "a path is wanted"),
        ("{range .a}" * 9, "more than 8 ranges"),
        ("{.a}" * 2000, "more than 4096 characters"),
    ],
)
def test_what_is_no_template_is_refused_with_the_place_and_an_example(template, why):
    with pytest.raises(BadValue) as refused:
        jsonpath.read(template)
    assert refused.value.sentence.startswith("-o jsonpath is") and why in refused.value.sentence
    assert jsonpath.EXAMPLE in refused.value.hint and jsonpath.read(jsonpath.EXAMPLE.split("'")[1])
