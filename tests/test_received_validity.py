"""A risk message that is not valid is unsure, whatever else it says: it may be anybody's."""

from types import SimpleNamespace as Message

import pytest

from headway.received import risks_from_message
from headway.types import Level


@pytest.mark.parametrize(
    ("valid", "unsure", "reason", "said"),
    [
        (True, False, "", ""),
        (False, False, "", "the risk message says unsure"),
        (False, False, "no heads", "no heads"),
        (True, True, "", "the risk message says unsure"),
    ],
)
def test_nobody_in_a_message_is_clear_only_where_it_is_valid_and_sure(valid, unsure, reason, said):
    header = Message(stamp=Message(sec=1, nanosec=0))
    risks = risks_from_message(Message(header=header, level=0, valid=valid, unsure=unsure, reason=reason, risks=[]))
    assert risks.unsure == said
    assert risks.level == (Level.UNSURE if said else Level.CLEAR)
