"""The command of the smallest whole run; the run's folder follows."""

TINY = ("--data", "none", "--quick", "--name", "tiny", "--out")
