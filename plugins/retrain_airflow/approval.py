"""How a person approves a promotion: the task that waits, and the answers that it offers."""

ASK = "ask"
"""Id of the task that waits for the answer."""

YES, NO = "Promote", "Hold"
