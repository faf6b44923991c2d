"""The mailbox accounts for every message, also for the one that nobody takes any more."""

from headway.nodes.inputs import LOST, NEWER, Ledger, Mailbox


def test_what_still_waits_when_the_box_is_closed_is_counted() -> None:
    ledger = Ledger()
    box = Mailbox(ledger)
    box.put(b"taken")
    assert box.take().data == b"taken"
    box.put(b"replaced")
    box.put(b"waiting")
    box.close()
    assert box.take() is None
    assert ledger.dropped == {NEWER: 1, "the node was deactivated": 1}
    assert ledger.received == 3


def test_gaps_in_the_numbers_of_a_lone_publisher_are_losses_and_a_smaller_number_is_none() -> None:
    ledger = Ledger()
    box = Mailbox(ledger)
    for number in (5, 6, 9, 3, 4):
        box.put(b"", number)
        box.take()
    assert ledger.dropped == {LOST: 2}
    assert ledger.received == 7
