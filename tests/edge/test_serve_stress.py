"""The stress test of `benchmarks.serve`, smaller; and whether it would notice a server that errs."""

from dataclasses import replace

import numpy as np
import pytest

from samewhy_edge import open_predictor
from samewhy_edge.predictor import Subject
from samewhy_edge.testing import random_samples
from tests.edge.serving import served
from tests.golden import golden

serve = pytest.importorskip("benchmarks.serve", reason="the benchmarks are not part of the package")


def subject() -> Subject:
    return open_predictor(golden("image_int8"))


def test_many_clients_and_many_requests_that_are_none_get_no_wrong_answer() -> None:
    with served(subject(), subject()) as listener:
        found = serve.stressed(listener.url, subject(), 8, 4000, 108)
    assert {**found, "seconds": 0} == {
        "clients": 8,
        "answered": 4000,
        "wrong": 0,
        "malformed": 104,  # thirteen a client
        "malformed not refused": 0,
        "seconds": 0,
    }


def test_a_server_that_deals_answers_to_the_wrong_askers_is_noticed() -> None:
    home = subject()
    assert home.coded
    coded = home.coded
    with served(replace(home, coded=lambda codes: np.roll(coded(codes), 1, axis=0))) as listener:
        assert serve.stressed(listener.url, subject(), 2, 400, 0)["wrong"] > 300


def test_each_malformed_request_is_refused() -> None:
    requests = serve.malformed(random_samples(subject(), 1))
    with served() as listener:
        assert [one[:60] for one in requests if not 400 <= serve.status_of(listener.url, one) < 500] == []
    assert len({bytes(one) for one in requests}) == len(requests)
