"""The beliefs that a trial does not check, each with why, and what to do instead. Pure; part of ``checks.py``."""

from __future__ import annotations

from typing import Final

from spot_responder.trial.views.verdicts import Unchecked, Why

_SIZES: Final = "the trial does not change a VM's size yet: docs/verify-in-azure.md"
_WORKLOAD: Final = "the trial deploys no workload and no VM application yet: docs/verify-in-azure.md"

UNCHECKED: Final = (
    Unchecked("E6", Why.CANNOT_BE_ORDERED, "`trial --watch` sees it where a start fails without capacity"),
    Unchecked("E9", Why.NOT_YET, "needs the preview of scheduled events, registered for the subscription"),
    Unchecked("E13", Why.TAKES_LONGER, "the topics' metric DroppedEventCount"),
    Unchecked("E18", Why.CANNOT_BE_ORDERED, "a notice that Azure takes back"),
    Unchecked("Q3", Why.NEEDS_THE_APP, "a drill after an idle hour"),
    Unchecked("Q4", Why.NEEDS_THE_APP, "a message that nobody can read, in the queue signals"),
    Unchecked("Q5", Why.NEEDS_THE_APP, "the worker's version in the log"),
    Unchecked("Q6", Why.NEEDS_THE_APP, "the rows of the table recoveries"),
    Unchecked("Q7", Why.NEEDS_THE_APP, "exceptions of storage in the log"),
    Unchecked("Q8", Why.NEEDS_THE_APP, "a row of the table recoveries during a start"),
    Unchecked("Q9", Why.NEEDS_THE_APP, "the log, where events are pushed"),
    Unchecked("Q10", Why.NEEDS_THE_APP, "the log, after a message that nobody can read"),
    Unchecked("Q11", Why.NEEDS_THE_APP, "the alarms, for two locked VMs"),
    Unchecked("Q12", Why.NEEDS_THE_APP, "the status page, with and without its key"),
    Unchecked("Q13", Why.NEEDS_THE_APP, "the log, where there is a topic for outcomes"),
    Unchecked("Q16", Why.NEEDS_THE_APP, "the functions, after a deployment in the portal"),
    Unchecked("Q17", Why.NEEDS_THE_APP, "the functions, after `azd deploy`"),
    Unchecked("Q18", Why.NEEDS_THE_APP, "the alarm, after the app was stopped for an hour"),
    Unchecked("Q19", Why.NEEDS_THE_APP, "the app's publishing policies"),
    Unchecked("Q20", Why.NEEDS_THE_APP, "the lines in the log, after a drill"),
    Unchecked("Q21", Why.NEEDS_THE_APP, "a message in the queue agents, after an idle half hour"),
    Unchecked("Q22", Why.NEEDS_ANOTHER_LOGIN, "a VM's identity with the role of a sender"),
    Unchecked("G10", Why.NEEDS_ANOTHER_LOGIN, "a login with the app's role"),
    Unchecked("C6", Why.NOT_YET, "needs a VM with hibernation enabled"),
    Unchecked("C11", Why.CANNOT_BE_ORDERED, "a start without capacity"),
    Unchecked("C13", Why.CANNOT_BE_ORDERED, "several VMs of one pool without capacity"),
    Unchecked("C14", Why.CANNOT_BE_ORDERED, "capacity that comes back"),
    Unchecked("C15", Why.TAKES_LONGER, "the price list, day after day"),
    Unchecked("C21", Why.CANNOT_BE_ORDERED, "starts that fail for their disks or keys"),
    Unchecked("C22", Why.CANNOT_BE_ORDERED, "a code that nobody has seen"),
    Unchecked("C24", Why.CANNOT_BE_ORDERED, "conflicts inside Azure"),
    Unchecked("C25", Why.NOT_OF_AZURE, "tests/clients/test_logins.py"),
    Unchecked("C28", Why.CANNOT_BE_ORDERED, "a start that fails later for want of capacity"),
    Unchecked("R1", Why.NEEDS_ANOTHER_LOGIN, "`doctor`, as the app"),
    Unchecked("R2", Why.NEEDS_ANOTHER_LOGIN, "a drill: no start is lost"),
    Unchecked("R3", Why.NEEDS_ANOTHER_LOGIN, "a query as the app"),
    Unchecked("R4", Why.NEEDS_ANOTHER_LOGIN, "`doctor`, as the app"),
    Unchecked("V8", Why.NOT_YET, "needs a redeployment of the VM, which may take an hour"),
    Unchecked("V9", Why.NOT_YET, "needs the preview of Spot Plus, registered for the subscription"),
    Unchecked("V12", Why.NOT_YET, "needs a way to storage, which a trial's VM has not; `spot-agent check` tells"),
    Unchecked("V15", Why.CANNOT_BE_ORDERED, "hardware that fails"),
    Unchecked("P7", Why.NOT_YET, "needs a start at exactly the Spot price, in a trial's own moment"),
    Unchecked("W5", Why.CANNOT_BE_ORDERED, "a message that two workers receive"),
    Unchecked("W6", Why.TAKES_LONGER, "a message without a time to live, after a week"),
    Unchecked("W7", Why.TAKES_LONGER, "the ids of all messages"),
    Unchecked("W9", Why.CANNOT_BE_ORDERED, "a write whose answer is lost"),
    Unchecked("W12", Why.NEEDS_ANOTHER_LOGIN, "a worker with the three roles alone"),
    Unchecked("W13", Why.NOT_YET, "needs thousands of requests a second"),
    *(Unchecked(f"S{number}", Why.NOT_YET, _SIZES) for number in range(2, 7)),
    Unchecked("S7", Why.NEEDS_ANOTHER_LOGIN, "`sizes`, as somebody with *Reader* only"),
    Unchecked("S8", Why.NOT_YET, _SIZES),
    Unchecked("S9", Why.NOT_YET, _SIZES),
    Unchecked("S10", Why.NEEDS_ANOTHER_LOGIN, "a PATCH as the identity that may change sizes"),
    Unchecked("S11", Why.NOT_YET, _SIZES),
    Unchecked("S12", Why.NOT_YET, _SIZES),
    *(Unchecked(f"N{number}", Why.NOT_YET, _WORKLOAD) for number in range(1, 13)),
)
