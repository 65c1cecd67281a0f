"""Transactions, without I/O: what a charger's messages mean for a transaction, and how much energy
it delivered.

`energy` judges from top to bottom: `refute` asks whether the reported figure is certain, and
`propose` suggests one if it is not. `sent` is what the charger sent, as evidence. `matching` finds
the transaction of a stop or a reading. `lifecycle` is the table of its states, `reviews` has the
codes of doubts, `explain` says why a figure is what it is, and `answers` what an operator may
decide. `tolerances` has the numbers; `names` reads ids and tags.
"""
