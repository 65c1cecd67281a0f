"""Charging sessions that were told by lying and by honest chargers, each as the judge gets it, with
what is true.

    sources (tests, stories, simulated months and weeks) -> kept cases, a file for each source ->
    judge

`just corpus` writes the files anew from their sources, `just corpus check` judges all of them and
prints a table, and `just corpus keep` stores what today's rules say after they were changed on
purpose. `just corpus late` tells the lies again to books, in time and with a second half that
waited: as many must be in doubt.
"""
